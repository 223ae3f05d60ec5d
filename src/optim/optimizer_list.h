/* The optimizers that a configuration may name; a new one is one row here and one file. */
LS_OPTIMIZER(sgd)
LS_OPTIMIZER(momentum)
LS_OPTIMIZER(nesterov)
LS_OPTIMIZER(adam)
LS_OPTIMIZER(adamw)
LS_OPTIMIZER(rmsprop)
LS_OPTIMIZER(lars)
LS_OPTIMIZER(lamb)
