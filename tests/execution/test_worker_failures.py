"""What Ray says of dead workers (words of Ray 2.60), and whose fault it is taken for."""

from __future__ import annotations

import pytest

from superconv_ray.execution.worker_failures import breaks_device, judge, memory_advice

pytestmark = pytest.mark.device

WORKER_DIED = (
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
)
EOF = (
    f"{WORKER_DIED} Worker exit detail: Worker unexpectedly exits with a connection error code 2. "
    "End of file. Some common causes include: (1) the process was killed by the OOM killer due to "
    "high memory usage, (2) ray stop --force was called, or (3) the worker crashed unexpectedly "
    "due to SIGSEGV or another unexpected error."
)


NODE_ENDED = (
    "The actor died because its node has died. Node Id: 7c24\n"
    "\tthe actor's node was terminated expectedly: received SIGTERM"
)
SOCKETS_CLOSED = (
    "The actor f42b is unavailable: The actor is temporarily unavailable: RpcError: RPC error: "
    "Socket closed rpc_code: 14. The task may or may not have been executed on the actor."
)
HOST_ENDED = (
    f"{WORKER_DIED} Worker exit detail: Worker exits unexpectedly. Worker exits with an exit code "
    "1. The process receives a SIGTERM."
)


@pytest.mark.parametrize("reason", [NODE_ENDED, SOCKETS_CLOSED, HOST_ENDED])
def test_the_loss_of_a_node_is_no_fault_of_the_trial(reason: str) -> None:
    assert judge(reason).blameless


def test_a_process_that_ends_may_be_the_trials_fault() -> None:
    death = judge(EOF)
    assert not death.blameless
    assert death.cause.startswith("its worker's process ended: it crashed, or the system killed it")
    assert "batch_size" in death.cause


def test_a_worker_that_the_memory_monitor_kills_is_out_of_memory() -> None:
    death = judge(
        "OutOfMemoryError: 1 worker(s) were killed due to the node running low on memory. Memory "
        "on the node (IP: 10.0.0.2, ID: d25b) was 3.18GB used / 23.54GB limit (0.135112)"
    )
    assert not death.blameless
    assert death.cause.startswith("out of memory: lower batch_size, or ")


IN_CREATION = (
    "The actor died because of an error raised in its creation task, ray::TrialTrainable()\n"
)
IN_A_TASK = (
    "\x1b[36mray::_Inner.train()\x1b[39m (pid=31333, ip=10.0.0.2, actor_id=9a38, repr=<...>)\n"
    '  File "worker.py", line 115, in work\n'
)


@pytest.mark.parametrize(
    ("before", "raised"),
    [
        (
            f"{IN_CREATION}Traceback (most recent call last):\n",
            "ModuleNotFoundError: No module named 'only_here'",
        ),
        (
            IN_A_TASK,
            "superconv_ray.execution.worker_failures.BrokenDeviceError: CUDA error: illegal access",
        ),
        # What an error quotes is not taken for the loss of a node, or its trial would be started
        # again and again
        (IN_CREATION, "RuntimeError: licence server: its node has died, or is unavailable"),
    ],
)
def test_what_a_worker_raised_is_the_cause(before: str, raised: str) -> None:
    death = judge(f"{before}{raised}\n")
    assert not death.blameless
    assert death.cause == raised


@pytest.mark.parametrize(
    ("error", "breaks"),
    [
        ("torch.AcceleratorError: CUDA error: device-side assert triggered", True),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", True),
        ("RuntimeError: No CUDA GPUs are available", True),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", False),
        ("RuntimeError: CUDA error: out of memory", False),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `x`", True),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `x`", True),
        # Refused calls: of layouts, sizes or types of the model's
        ("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in", False),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_BAD_PARAM", False),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED_SHAPE", False),
        ("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx( handle, o)`", False),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `x`", False),
        ("ValueError: shapes do not match", False),
    ],
)
def test_which_errors_leave_a_process_without_its_gpu(error: str, breaks: bool) -> None:
    assert breaks_device(error) is breaks


def test_other_errors_have_nothing_to_do_with_memory() -> None:
    assert memory_advice("ValueError: no such thing") is None


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "GET was unable to find an engine; cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "RuntimeError: cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `x`",
        "RuntimeError: cuFFT error: CUFFT_ALLOC_FAILED",
        "torch.AcceleratorError: CUDA error: out of memory",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes.",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array with",
        "OSError: [Errno 12] Cannot allocate memory",
        "MemoryError: std::bad_alloc",
    ],
)
def test_a_library_that_gets_no_memory_is_out_of_memory_and_breaks_no_device(error: str) -> None:
    assert memory_advice(error)
    assert not breaks_device(error)
