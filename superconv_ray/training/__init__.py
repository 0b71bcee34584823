"""One trial from its settings to its outcome: `loop.TrainingRun`, without Ray and without files."""
