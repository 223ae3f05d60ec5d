/* Layers that are a function of each number by itself, in double: v is the number.  A row gives the conformance suites
 * the layer's twin and its cases. */
ELEMENTWISE(relu, v > 0.0 ? v : 0.0)
ELEMENTWISE(tanh, tanh(v))
ELEMENTWISE(sigmoid, 1.0 / (1.0 + exp(-v)))
ELEMENTWISE(gelu, v * 0.5 * erfc(-v / sqrt(2.0)))
ELEMENTWISE(silu, v / (1.0 + exp(-v)))
