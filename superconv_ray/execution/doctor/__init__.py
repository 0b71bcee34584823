"""Whether a cluster will run a study: facts from every node, findings, and one line of advice."""
