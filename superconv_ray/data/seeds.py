"""One trial seed, many independent streams of randomness."""

import hashlib


def derive_seed(seed: int, purpose: str, index: int) -> int:
    """Return a 63-bit seed that is the same in every process, version and machine.

    Streams with different seeds, purposes ("order", "augment", ...) or indices (an epoch, a step)
    are independent of each other.
    """
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
