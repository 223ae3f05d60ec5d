# Hosts on one machine, for tests that cross a network.  Source it; needs root and iproute2.
#
# Each host is a network namespace with a host name of its own, joined to a bridge by a veth pair; addresses 10.77.0.K
# exist only inside.  (Without own host names Open MPI would take the hosts for one.)  Everything is named ls-lab-*, and
# lab_down, which the test's exit calls, removes all of it.
lab_prefix=ls-lab-$$
lab_dir=/run/$lab_prefix

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
