#!/bin/sh
# Starts systemd as the first process of a machine. Runs in new namespaces (mount, network, pid, ipc, uts, cgroup),
# which end with it. Arguments: the folder that becomes its root, the lower layers of that root, the folder for what it
# writes, its host name.
set -eu
root=$1 lower=$2 written=$3 name=$4

mount --make-rprivate /
mkdir -p "$root" "$written/upper" "$written/work"
mount -t overlay -o "lowerdir=$lower,upperdir=$written/upper,workdir=$written/work" overlay "$root"
cd "$root"

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

ip link set lo up
echo "$name" >etc/hostname

mkdir run/outside
pivot_root . run/outside
umount -l run/outside
# As on a machine of its own: credentials of a unit reach it by that.
mount --make-rshared /
# Debian 13's systemd takes a host with control groups of version 1 only if it is told to.
exec env -i container=other SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --log-target=console --log-level=warning --show-status=0 multi-user.target
