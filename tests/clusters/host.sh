#!/bin/bash
# The first process of a simulated host, in namespaces of its own: see hosts.py.
# It makes a root file system over this machine's, a user "ubuntu" and, on a cluster's host, sshd.
#
# NAME, ADDRESS; ROOT: an empty folder; READ_ONLY: folders with Python and its packages; MOUNTS: folders that
# appear as /<their name>; KEYS: the ssh key pair; PYTHON; SITES: its folders of packages.
set -euo pipefail

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$ROOT" # goes with the last process of the host
mkdir "$ROOT"/{upper,work,root}
NEW=$ROOT/root
mount -t overlay -o "lowerdir=/,upperdir=$ROOT/upper,workdir=$ROOT/work" overlay "$NEW"
mount -t proc proc "$NEW/proc"
mount -t sysfs -o ro sysfs "$NEW/sys"
for folder in dev run root home; do mount -t tmpfs -o mode=755 tmpfs "$NEW/$folder"; done
mkdir "$NEW"/dev/{pts,shm} "$NEW/run/sshd"
for folder in tmp dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$NEW/$folder"; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$NEW/dev/pts"
for device in null zero full random urandom tty; do
    touch "$NEW/dev/$device"
    mount --bind "/dev/$device" "$NEW/dev/$device"
done
ln -s pts/ptmx "$NEW/dev/ptmx"
ln -s /proc/self/fd "$NEW/dev/fd"

for folder in $READ_ONLY; do
    mkdir -p "$NEW$folder"
    mount --bind "$folder" "$NEW$folder"
    mount -o remount,ro,bind "$NEW$folder"
    while folder=$(dirname "$folder") && [ "$folder" != / ]; do chmod a+rx "$NEW$folder"; done
done
for folder in $MOUNTS; do
    mkdir -p "$NEW/$(basename "$folder")"
    mount --bind "$folder" "$NEW/$(basename "$folder")"
done

# A login with a virtual environment, as an administrator may have prepared it: all but the package.
sed -i '/^ubuntu:/d' "$NEW/etc/passwd" "$NEW/etc/group"
echo 'ubuntu:*:2001:2001::/home/ubuntu:/bin/bash' >> "$NEW/etc/passwd"
echo 'ubuntu:x:2001:' >> "$NEW/etc/group"
LOGIN=$NEW/home/ubuntu
mkdir -p "$LOGIN/.ssh"
cp "$KEYS/id_ed25519.pub" "$LOGIN/.ssh/authorized_keys"
cp "$KEYS"/* "$LOGIN/.ssh"
cp "$KEYS/../bashrc" "$LOGIN/.bashrc"
cp "$(dirname "$0")"/../{patient_ray,ready_workers}.py "$LOGIN"
[ "$NAME" != laptop ] || echo 'export PATH=~/venv/bin:$PATH RAY_AUTH_MODE=token' >> "$LOGIN/.bashrc"
: > "$NEW/etc/resolv.conf"
printf '127.0.0.1 localhost\n%s %s\n' "$ADDRESS" "$NAME" > "$NEW/etc/hosts"
hostname "$NAME"

cd "$NEW"
mkdir .old
pivot_root . .old
umount -l /.old 2> /dev/null || true # the machine's own files are out of reach from here on

"$PYTHON" -m venv --without-pip /home/ubuntu/venv
tr ' ' '\n' <<< "$SITES" > "$(echo /home/ubuntu/venv/lib/python*/site-packages)/all.pth"
cat > /home/ubuntu/venv/bin/ray << 'END'
#!/home/ubuntu/venv/bin/python
import sys
sys.path.append("/home/ubuntu")
from patient_ray import be_patient
be_patient(dashboard=True)
from ray.scripts.scripts import main
main()
END
chmod 755 /home/ubuntu/venv/bin/ray
chown -R ubuntu:ubuntu /home/ubuntu
chmod 700 /home/ubuntu/.ssh
chmod 600 /home/ubuntu/.ssh/*

ip link set lo up
[ "$NAME" = laptop ] || /usr/sbin/sshd -o UsePAM=no -o PrintMotd=no -o StrictModes=yes
echo ready
exec > /dev/null 2>&1
trap 'exit 0' TERM
while :; do
    sleep 3600 &
    wait $!
done
