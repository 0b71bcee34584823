"""Training one trial: the loop, optimizers, batch-norm statistics, the Hessian-free estimate."""
