# Hosts on one machine, for tests that cross a network.  Source it; needs root and iproute2.
#
# Each host is a network namespace with a host name of its own, joined to a bridge by a veth pair; addresses 10.77.0.K
# exist only inside.  (Without own host names Open MPI would take the hosts for one.)  A test calls lab_alone, lab_up, ...,
# lab_down.
lab_prefix=ls-lab-$$
lab_dir=/run/$lab_prefix

# lab_alone: starts the test again with processes, mounts, /run and /dev/shm of its own, which end with it, however it
# ends: no process, namespace, shared memory or file can stay behind.  Files of the test belong in $TMPDIR.  Ends the test
# with 77 where that is not allowed.
lab_alone() {
    local skip="namespaces cannot be made here (they need root): skipped"
    if [ -z "${LS_ALONE:-}" ]; then
        [ "$(id -u)" = 0 ] && unshare --mount --pid --fork true 2>/dev/null || { echo "$skip"; exit 77; }
        LS_ALONE=1 exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0"
    fi
    mount -t tmpfs none /dev/shm && mount -t tmpfs none /run || { echo "$skip"; exit 77; }
    mountpoint -q /sys/fs/cgroup || mount -t tmpfs none /sys/fs/cgroup # slurmd wants to see something there
    export TMPDIR=/run/tmp
    mkdir -m 1777 $TMPDIR
    lab_can || { echo "$skip"; exit 77; }
}

# lab_can: succeeds where namespaces can be made
lab_can() {
    [ "$(id -u)" = 0 ] && command -v ip >/dev/null && command -v nsenter >/dev/null || return 1
    ip netns add "$lab_prefix-try" 2>/dev/null && ip netns del "$lab_prefix-try"
}

lab_host() { # lab_host K
    local ns=$lab_prefix-h$1
    ip netns add "$ns"
    touch "$lab_dir/uts-h$1"
    unshare --uts="$lab_dir/uts-h$1" hostname "h$1"
    ip link add eth0 netns "$ns" type veth peer name "p$1" netns "$lab_prefix-sw"
    ip -n "$lab_prefix-sw" link set "p$1" master br0 up
    ip -n "$ns" link set lo up
    ip -n "$ns" addr add "10.77.0.$1/24" dev eth0
    ip -n "$ns" link set eth0 up
}

# lab_up N: hosts h1 to hN, and the agent by which mpirun starts its daemons on them
lab_up() {
    mkdir -p "$lab_dir"
    ip netns add "$lab_prefix-sw"
    ip -n "$lab_prefix-sw" link add br0 type bridge
    ip -n "$lab_prefix-sw" link set br0 up
    for ((k = 1; k <= $1; k++)); do lab_host "$k"; done
    cat >"$lab_dir/agent" <<END
#!/bin/sh
host=\$1; shift
exec nsenter --net=/run/netns/$lab_prefix-\$host --uts=$lab_dir/uts-\$host -- /bin/sh -c "\$*"
END
    chmod +x "$lab_dir/agent"
}

# lab_on K COMMAND...: runs the command on host K
lab_on() {
    nsenter --net="/run/netns/$lab_prefix-h$1" --uts="$lab_dir/uts-h$1" -- "${@:2}"
}

# lab_cut K, lab_heal K: takes the link of host K away, gives it back
lab_cut() { ip -n "$lab_prefix-sw" link set "p$1" down; }
lab_heal() { ip -n "$lab_prefix-sw" link set "p$1" up; }

# lab_kill K: the power of host K fails: its processes end at once, its shared memory is gone
lab_kill() {
    local pid
    for pid in $(ip netns pids "$lab_prefix-h$1"); do kill -KILL "$pid" 2>/dev/null; done
    rm -f /dev/shm/*.h"$1".*
}

lab_down() {
    local ns pid file
    for ns in $(ip netns list | awk -v p="$lab_prefix-" 'index($1, p) == 1 { print $1 }'); do
        for pid in $(ip netns pids "$ns"); do kill -KILL "$pid" 2>/dev/null; done
        ip netns del "$ns"
    done
    for file in "$lab_dir"/uts-h*; do
        [ -e "$file" ] && umount "$file"
    done
    rm -rf "$lab_dir"
}

# lab_mpirun HOSTS NP ARGUMENT...: mpirun from h1 over a host list such as h1:2,h2:2
lab_mpirun() {
    local hosts=$1 np=$2
    shift 2
    timeout -k 5 120 "$lab_dir/agent" h1 "cd '$PWD' && exec mpirun --mca plm_rsh_agent $lab_dir/agent \
        --mca btl self,vader,tcp --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
        --host $hosts -np $np $*" </dev/null
}

# lab_sent K: bytes that host K has sent so far
lab_sent() {
    ip netns exec "$lab_prefix-h$1" cat /sys/class/net/eth0/statistics/tx_bytes
}
