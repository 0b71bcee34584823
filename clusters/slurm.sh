#!/bin/bash
# A Slurm cluster: Ray lives as long as one job of Slurm's, on all of its nodes.
#
#     sbatch clusters/slurm.sh studies/limited_data.py run --store "$HOME/superconv/results"
#     squeue --me; tail -f superconv-*.out
#     scancel --name=superconv          # the same sbatch later goes on from there
#
# Before: put your own values at the lines marked "yours", and once per version of the package, on a
# login node in the repository's folder (its home must be the nodes' home as well):
#
#     python3 -m venv ~/venv && ~/venv/bin/pip install . 'ray[default]==2.60.0' 'torch==2.14.1'
#
# Costs nothing while idle: there is no cluster then. While it runs, all of its nodes are charged to
# you, busy or not. A job that Slurm preempts, or whose node fails, is queued again and goes on; after
# one that ran out of time give the same sbatch again.
# The store is a folder that all nodes mount, or a bucket (s3://, gs://, abfs://); what may read and
# write it is your login's business, no key stands in this file.
# GPUs are those that Slurm gives (--gpus-per-node); nodes need the GPU's driver.
# Closed by default, as others use the same machines: every process needs the token, a file that only
# you can read; the dashboard listens on the head's 127.0.0.1.

#SBATCH --job-name=superconv
#SBATCH --partition=YOUR_PARTITION   # yours
#SBATCH --nodes=2                    # yours: as many as you like
#SBATCH --gpus-per-node=1            # yours: all that a node has
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4            # yours: all that a node has
#SBATCH --exclusive                  # at its end Ray stops every Ray of yours on the machine
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=superconv-%j.out

set -euo pipefail
export PATH=$HOME/venv/bin:$PATH

umask 077
export RAY_AUTH_MODE=token
ray get-auth-token --generate > /dev/null # into ~/.ray/auth_token, if there is none yet

# These find a node that fell silent within 10 s; Ray's own settings take over a minute.
export RAY_health_check_initial_delay_ms=1000 RAY_health_check_period_ms=1000
export RAY_health_check_timeout_ms=2000 RAY_health_check_failure_threshold=3

export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds: nodes may read Python from a slow disk

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head --lines=1)

# On every node: starts Ray, on the head then the study, and ends Ray with it.
srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --dashboard-host=127.0.0.1 -- python "$@"
