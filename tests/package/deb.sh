#!/usr/bin/env bash
# The Debian package: made, looked at by lintian, installed by apt on a Debian that has nothing else, and run there.
# usage: deb.sh DIRECTORY, which holds that Debian while the test runs.  Needs root and debootstrap.
directory=$1
skip() {
    echo "skipped: $*"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "only root may make a root directory and enter it"
for tool in debootstrap chroot unshare apt-get dpkg-shlibdeps; do
    command -v $tool >/dev/null || skip "$tool is not installed (packages debootstrap, dpkg-dev)"
done
unshare -m true 2>/dev/null || skip "this machine does not allow mounts"
. "$(dirname "$0")/../cli/lib.sh"
root=$directory/root log=$directory/log
mkdir -p "$directory"
rm -rf --one-file-system "$root"
trap 'rm -rf "$work"; rm -rf --one-file-system "$root"' EXIT
trap 'exit 1' TERM INT

# inside COMMAND...: runs it in the new root, where /proc and /dev are mounted as long as it runs
inside() {
    unshare -mpf bash -c 'mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" &&
        exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive HOME=/root "${@:2}"' \
        inside "$root" "$@" </dev/null
}

# The mirror that apt uses here, with its proxy.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' "Codename: $1" \
        'Label: Debian' 'Architecture: '"$(dpkg --print-architecture)" | head -1
}

make_root() {
    local codename uri
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    uri=$(mirror "$codename")
    [ -n "$uri" ] || skip "apt of this machine knows no mirror of Debian $codename"
    eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [ -z "${http_proxy:-}" ] || export http_proxy
    mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/90test" # it need not survive a loss of power
    timeout -k 5 300 debootstrap --variant=minbase "$codename" "$root" "$uri" >"$log" 2>&1 ||
        skip "debootstrap made no root directory: $(tail -1 "$log")"
    apt-config dump | grep -E '^Acquire::https?::' >"$root/etc/apt/apt.conf.d/90test"
    echo 'Acquire::Languages "none";' >>"$root/etc/apt/apt.conf.d/90test"
}

# ---- the packages, as README makes them ----
cd "$LS_SOURCE" || exit 1
check "configure" cmake --preset package >"$directory/build.log" 2>&1
check "build" cmake --build --preset package -j "$(nproc)" >>"$directory/build.log" 2>&1
check "cpack" cpack --preset deb -B "$directory" >>"$directory/build.log" 2>&1
[ "$n_failed" = 0 ] || { tail -20 "$directory/build.log"; finish; }
cd "$directory" || exit 1
if command -v lintian >/dev/null; then
    # No license has been chosen yet, and no version has come before this one.
    same "lintian" "" "$(lintian --fail-on none --suppress-tags no-copyright-file,no-changelog ./*.deb 2>/dev/null | grep '^E:')"
fi

# ---- a clean Debian ----
make_root
cp ./lockstep*.deb "$root/root/"
check "there is no MPI yet" [ ! -e "$root/usr/bin/mpirun" ]
check "apt-get update" inside apt-get update -qq >>"$log" 2>&1
check "apt-get install" inside sh -c 'apt-get install -y -qq --no-install-recommends /root/lockstep_*.deb' >>"$log" 2>&1
[ "$n_failed" = 0 ] || { tail -20 "$log"; finish; }
check "lockstep-dev could be installed" inside sh -c 'apt-get install -s --no-install-recommends /root/lockstep-dev_*.deb' >>"$log" 2>&1
check "apt recommends gnuplot" grep -q gnuplot <(dpkg -f lockstep_*.deb Recommends)
same "all libraries are there" "" "$(inside ldd /usr/bin/lockstep | grep 'not found')"

# ---- and lockstep in it ----
in_place() { inside env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 LC_ALL=C timeout -k 5 60 "$@"; }
config=/usr/share/lockstep/configs/synthetic_mlp.yaml
short="--global-batch-size 64 --max-iterations 40"
expect_exit 0 "^lockstep [0-9.]+ \(commit " in_place lockstep --version
expect_exit 0 "^kernel type " in_place lockstep info
expect_exit 0 "^total iterations +40 " in_place lockstep plan $config --ranks 2 $short
expect_exit 0 "done: the run is complete" in_place lockstep train $config --run-dir /root/one $short
expect_exit 0 "done: the run is complete" in_place mpirun --oversubscribe --bind-to none -np 2 lockstep train $config --run-dir /root/two $short
expect_exit 0 "2 ranks on 1 node" in_place /usr/share/lockstep/launch/run -n 2 train $config --run-dir /root/run $short
hash=$(in_place lockstep inspect /root/one/latest --hash)
check "a hash of 16 digits" grep -Eqx '[0-9a-f]{16,}' <<<"$hash"
same "2 ranks by mpirun, the same bits" "$hash" "$(in_place lockstep inspect /root/two/latest --hash)"
same "2 ranks by launch/run, the same bits" "$hash" "$(in_place lockstep inspect /root/run/latest --hash)"
check "the manual page" grep -q '^\.TH LOCKSTEP 1' <(gzip -dc "$root/usr/share/man/man1/lockstep.1.gz")
same "completion" "lo-train" "$(in_place bash -c '. /usr/share/bash-completion/completions/lockstep
    COMP_WORDS=(lockstep tra) COMP_CWORD=1; _lockstep; echo "lo-$COMPREPLY"')"
check "apt-get remove" inside apt-get remove -y -qq lockstep >>"$log" 2>&1
same "nothing is left" "" "$(find "$root/usr" -name '*lockstep*')"
finish
