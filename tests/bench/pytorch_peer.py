#!/usr/bin/env python3
"""The peer of compare_pytorch.sh: PyTorch on the same work, as DDP over Gloo or as one process with threads.

  pytorch_peer.py --ranks 2 --layers 784,512,512,10 --batch 256 --iterations 200
  pytorch_peer.py --ranks 2 --model cnn --batch 256 --iterations 40

One thread a rank, pinned to a core of its own; one rank gets --threads threads.  Data in memory as normalised floats, momentum
SGD, best of three timed runs after a warm-up.  Prints one line of JSON.
"""
import argparse
import gzip
import json
import os
import tempfile
import time


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", choices=["mlp", "cnn"], default="mlp", help="mlp: --layers; cnn: configs/fashion_cnn.yaml")
    parser.add_argument("--layers", default="784,512,512,10")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    return parser.parse_args()


def read_idx(path):
    import numpy as np
    with gzip.open(path) as stream:
        raw = stream.read()
    n_dim = raw[3]
    shape = np.frombuffer(raw, ">i4", n_dim, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_dim).reshape(shape)


def load(folder):
    import torch
    images = torch.from_numpy(read_idx(f"{folder}/train-images-idx3-ubyte.gz").copy()).reshape(60000, -1)
    labels = torch.from_numpy(read_idx(f"{folder}/train-labels-idx1-ubyte.gz").copy()).long()
    return (images.float() / 255.0 - 0.2860) / 0.3530, labels


def network(layers):
    from torch import nn
    widths = [int(width) for width in layers.split(",")]
    parts = []
    for n_in, n_out in zip(widths, widths[1:]):
        parts += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def simple_cnn():
    """The model of configs/fashion_cnn.yaml on rows of 784 pixels."""
    from torch import nn
    parts = [nn.Unflatten(1, (1, 28, 28))]
    for n_in, n_out in ((1, 32), (32, 64)):
        parts += [nn.Conv2d(n_in, n_out, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * 7 * 7, 1024), nn.ReLU(), nn.Linear(1024, 10))


def batches(n, batch, rank, ranks):
    """This rank's ids of one random batch after the other, epoch by epoch."""
    import torch
    generator = torch.Generator().manual_seed(1)
    share = batch // ranks
    while True:
        order = torch.randperm(n, generator=generator)
        for first in range(0, n - batch + 1, batch):
            yield order[first + rank * share:first + (rank + 1) * share]


def work(rank, args, meeting):
    import torch
    import torch.distributed as dist
    if args.threads == 1:
        os.sched_setaffinity(0, {rank % os.cpu_count()})
    torch.set_num_threads(args.threads)
    if args.ranks > 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=args.ranks)
    x, y = load(args.data)
    torch.manual_seed(1)
    model = simple_cnn() if args.model == "cnn" else network(args.layers)
    replica = torch.nn.parallel.DistributedDataParallel(model) if args.ranks > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()
    source = batches(len(y), args.batch, rank, args.ranks)

    def run(iterations):
        start = time.perf_counter()
        for _ in range(iterations):
            ids = next(source)
            optimizer.zero_grad(set_to_none=False)
            loss(replica(x[ids]), y[ids]).backward()
            optimizer.step()
        return time.perf_counter() - start

    run(max(3, args.iterations // 5))
    seconds = min(run(args.iterations) for _ in range(3))
    if rank == 0:
        print(json.dumps({"peer": f"PyTorch {torch.__version__}", "ranks": args.ranks, "threads": args.threads,
                          "batch": args.batch, "samples_per_s": round(args.iterations * args.batch / seconds)}))


def main():
    args = parse()
    os.environ.update(OMP_NUM_THREADS=str(args.threads), MKL_NUM_THREADS=str(args.threads))
    if args.ranks == 1:
        work(0, args, None)
        return
    import torch.multiprocessing as processes
    with tempfile.TemporaryDirectory() as folder:
        processes.spawn(work, (args, f"{folder}/meeting"), nprocs=args.ranks)


if __name__ == "__main__":
    main()
