#!/bin/bash
# A Slurm cluster: Ray runs for the duration of one Slurm job, on all of its nodes.
#
#     sbatch clusters/slurm.sh studies/super_convergence.py run --store "$HOME/superconv/results"
#     squeue --me; tail -f superconv-*.out
#     scancel --name=superconv          # the same sbatch continues later
#
# Before you start: put your values at the lines marked "yours". Once per version of the package, on a
# login node that shares its home with the nodes, in the repository's folder:
#
#     python3 -m venv ~/venv && ~/venv/bin/pip install . 'ray[default]==2.60.0' 'torch==2.14.1'
#
# While idle it costs nothing, as there is no cluster then. While it runs, all of its nodes are charged
# to you, busy or not. A job that Slurm preempts, or whose node fails, is queued again and continues. After
# a job that ran out of time, submit the same sbatch again.
# The store is a folder that all nodes mount, or a bucket (s3://, gs://, abfs://). Access to it depends on
# your login; no key is in this file.
# Slurm assigns the GPUs (--gpus-per-node); nodes need the driver of their GPU.
# Closed by default, because others use the same machines: every process needs the token, a file that only
# you can read, and the dashboard listens on the head's 127.0.0.1.

#SBATCH --job-name=superconv
#SBATCH --partition=YOUR_PARTITION   # yours
#SBATCH --nodes=2                    # yours: as many as you like
#SBATCH --gpus-per-node=1            # yours: all that a node has
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4            # yours: all that a node has
#SBATCH --exclusive                  # at its end Ray stops all of your Ray processes on the machine
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=superconv-%j.out

set -euo pipefail
export PATH=$HOME/venv/bin:$PATH

umask 077
export RAY_AUTH_MODE=token
ray get-auth-token --generate > /dev/null # writes ~/.ray/auth_token, unless it exists
chmod 600 ~/.ray/auth_token
if [ "$(stat -c %a ~/.ray/auth_token)" != 600 ]; then
    echo "others may read ~/.ray/auth_token: the file system ignores chmod; use a home that does not" >&2
    exit 1
fi

# These health checks detect a silent node within 10 s; Ray's defaults take over a minute.
export RAY_health_check_initial_delay_ms=1000 RAY_health_check_period_ms=1000
export RAY_health_check_timeout_ms=2000 RAY_health_check_failure_threshold=3

export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds: nodes may load Python from a slow disk

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head --lines=1)

# Starts Ray on every node, runs the study on the head, and then stops Ray.
srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --dashboard-host=127.0.0.1 -- python "$@"
