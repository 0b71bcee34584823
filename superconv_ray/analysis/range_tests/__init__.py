"""LR range tests: peak, plateau, divergence, and the learning rates that rules suggest."""
