"""What LR range tests show: peak, plateau, divergence, and the rules that read a rate off them."""
