"""The optimizers in NumPy and double precision, from their papers and PyTorch's documentation; options as in a
configuration, slots a dict of each tensor."""
import numpy as np


def decay_of(options):
    return options.get("weight_decay", 0.01 if options["name"] in ("adamw", "lamb") else 0)


def is_decoupled(options):
    return options.get("decoupled_weight_decay", options["name"] in ("adamw", "lamb"))


def trust(o, name, p, step):
    """The ratio's two norms, or None where it is 1."""
    excluded = name.endswith("bias") and "bias" in o.get("ratio_exclude", [])
    x, y = np.sqrt((p**2).sum()), np.sqrt((step**2).sum())
    return None if excluded or x == 0 or y == 0 else (x, y)


def moments(o, iteration, p, g, slots):
    """Adam's direction, after the moments took g."""
    beta1, beta2, t = o.get("beta1", 0.9), o.get("beta2", 0.999), iteration + 1
    eps = o.get("eps", 1e-6 if o["name"] == "lamb" else 1e-8)
    m, v = (slots.setdefault(s, np.zeros_like(p)) for s in ("exp_avg", "exp_avg_sq"))
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g**2
    return m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)


def rmsprop_step(o, p, g, slots):
    alpha, mu = o.get("alpha", 0.99), o.get("momentum", 0)
    v = slots.setdefault("square_avg", np.zeros_like(p))
    v *= alpha
    v += (1 - alpha) * g**2
    variance = v
    if o.get("centered"):
        a = slots.setdefault("grad_avg", np.zeros_like(p))
        a *= alpha
        a += (1 - alpha) * g
        variance = v - a**2
    step = g / (np.sqrt(variance) + o.get("eps", 1e-8))
    if mu:
        buffer = slots.setdefault("momentum_buffer", np.zeros_like(p))
        buffer *= mu
        buffer += step
        step = buffer
    return step


def update(o, lr, iteration, tensor, p, g, slots):
    """One step of one tensor in place, from PyTorch's documentation and the papers; slots is a dict of its own.

    LARS: You, Gitman, Ginsburg 2017 (arXiv:1708.03888v3), algorithm 1.  LAMB: You et al. 2020 (arXiv:1904.00962v5),
    algorithm 2 with the identity for phi."""
    decay, name, decoupled = o["decay"], o["name"], is_decoupled(o)
    if name == "lars":
        norms = trust(o, tensor, p, g)
        local = o.get("trust", 0.001) * norms[0] / (norms[1] + decay * norms[0]) if norms else 1
        v = slots.setdefault("momentum_buffer", np.zeros_like(p))
        v *= o.get("momentum", 0.9)
        v += lr * local * (g + decay * p)
        p -= v
        return
    if name == "lamb":
        r = moments(o, iteration, p, g, slots) + decay * p
        norms = trust(o, tensor, p, r)
        p -= lr * (norms[0] / norms[1] if norms else 1) * r
        return
    if not decoupled:
        g = g + decay * p
    else:
        p *= 1 - lr * decay
    if name == "sgd":
        p -= lr * g
    elif name in ("momentum", "nesterov"):
        mu = o.get("momentum", 0.9)
        v = slots.setdefault("momentum_buffer", np.zeros_like(p))
        v *= mu
        v += g
        p -= lr * (g + mu * v if name == "nesterov" else v)
    elif name == "rmsprop":
        p -= lr * rmsprop_step(o, p, g, slots)
    else:
        p -= lr * moments(o, iteration, p, g, slots)


def clipped(options, gradient):
    """As torch.nn.utils.clip_grad_norm_; the norm before it."""
    norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
    factor = min(1.0, options.get("clip_norm", np.inf) / (norm + 1e-6))
    return norm, {name: g * factor for name, g in gradient.items()}
