#!/bin/bash
# SPDX-License-Identifier: MIT
#
# "make demo": init-storage on a loop device with a GPT partition "data", from a squashfs image
# of a small root tree; then a password is set on it, and it is reset. Shows each step, and leaves
# nothing behind.
set -euo pipefail
: "${INIT_STORAGE:?is set by make demo}" "${SET_ROOT_PASSWORD:?}" "${FACTORY_RESET:?}"

# Everything is mounted in a mount namespace of its own, which ends with the script.
if [[ ${1-} != inside ]]; then
    [[ $(id -u) == 0 ]] || { echo "demo: needs root, for loop devices and mounts" >&2; exit 1; }
    exec unshare --mount --propagation private "$0" inside
fi

work=$(mktemp -d -p "${TMPDIR:-/var/tmp}" demo.XXXXXX)
disk='' image_loop=''
clean_up() {
    # /etc stays the copy for as long as this runs.
    umount /etc/shadow /var/lib 2>/dev/null || :
    umount -R "$work/top" "$work/image" 2>/dev/null || :
    [[ -z $disk ]] || { partx --delete "$disk" 2>/dev/null || :; losetup --detach "$disk"; }
    [[ -z $image_loop ]] || losetup --detach "$image_loop"
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP
cd "$work"
# The report's place, away from the machine's own.
mount -t tmpfs -o mode=0755 tmpfs /run

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }

title "A small root tree, with labels, as a squashfs image"
mkdir -p tree/etc/{aimee-os,ssh} tree/usr/lib/aimee-os tree/var/{cache,lib/app,log,tmp} tree/home/ada
echo 'f shadow' >tree/usr/lib/aimee-os/writable-etc
echo 'd ssh' >tree/etc/aimee-os/writable-etc
cat >tree/etc/fstab <<'END'
PARTLABEL=data  /var   btrfs  subvol=var,compress=zstd,x-init-storage.subvol=log:tmp:lib/containers  0 0
PARTLABEL=data  /home  btrfs  subvol=home  0 0
END
(umask 077 && echo 'root:*:20000:0:99999:7:::' >tree/etc/shadow)
echo 'HostKey /etc/ssh/key' >tree/etc/ssh/sshd_config
chmod 1777 tree/var/tmp
# Something real to copy: this machine's documentation and headers.
find /usr/include /usr/share/perl /usr/share/doc -xdev -type f >files 2>/dev/null || :
head -n 6000 files | tar --create --files-from=- --absolute-names --transform='s,^/,,' |
    tar --extract --directory=tree/var/lib/app
echo 'hello' >tree/home/ada/hello
ln tree/home/ada/hello tree/home/ada/the-same
label() { setfattr -h -n security.selinux -v "system_u:object_r:$1:s0" "${@:2}"; }
label var_t tree/var tree/var/lib tree/var/cache
label var_log_t tree/var/log
label tmp_t tree/var/tmp
label user_home_t tree/home/ada tree/home/ada/hello
label shadow_t tree/etc/shadow
mksquashfs tree image.sqfs -comp zstd -quiet -no-progress
show ls -sh image.sqfs
show cat tree/etc/fstab

title "A disk with a blank GPT partition \"data\""
truncate -s 4G disk.img
echo 'label: gpt
size=100MiB, name="boot"
name="data"' | sfdisk --quiet disk.img
disk=$(losetup --find --show --partscan disk.img)
[[ -b ${disk}p2 ]] || partx --add "$disk" # a kernel without a GPT parser
data=${disk}p2
mkdir image top
image_loop=$(losetup --find --show --read-only image.sqfs)
mount -t squashfs -o ro "$image_loop" image
show sfdisk --list --output Device,Size,Name "$disk"

title "The first boot"
show "$INIT_STORAGE" --root=image --device="$data" --progress=always

title "What is there now"
mount -o ro,subvolid=5 "$data" top
show btrfs subvolume list top
show getfattr --absolute-names --only-values -n security.selinux top/var/log; echo
show getfattr --absolute-names --only-values -n security.selinux top/var/lib/aimee-os/etc/shadow; echo
show stat -c '%A %U %h links %n' top/home/ada/hello top/var/tmp top/var/lib/aimee-os
show diff -r --no-dereference image/var/lib/app top/var/lib/app && echo "(no difference)"
umount top
show jq . /run/aimee-os/init-storage.json

title "The second boot"
show "$INIT_STORAGE" --root=image --device="$data"

title "A newer image wants a subvolume more, and another file in /etc writable"
umount image
losetup --detach "$image_loop"
image_loop=''
mkdir tree/srv
echo 'PARTLABEL=data  /srv   btrfs  subvol=srv  0 0' >>tree/etc/fstab
echo 'example' >tree/etc/hostname
echo 'f hostname' >>tree/etc/aimee-os/writable-etc
show "$INIT_STORAGE" --root=tree --device="$data"
mount -o ro,subvolid=5 "$data" top
show btrfs subvolume list top
show cat top/var/lib/aimee-os/etc/hostname
umount top

title "Root's password, where /etc cannot be written and its shadow file is a mount"
# As a boot would have it, with this machine's PAM, in this mount namespace only.
mkdir etc
cp -a /etc/{group,login.defs,nsswitch.conf,pam.d,passwd,security} etc
cp tree/etc/shadow etc/shadow
mount --bind etc /etc
mount -o remount,bind,ro /etc
mount -o subvol=var "$data" top
mount --bind top/lib /var/lib
mount --bind /var/lib/aimee-os/etc/shadow /etc/shadow
cmp -s /etc/shadow tree/etc/shadow # none of this machine's
echo 'a new password' >password
show "$SET_ROOT_PASSWORD" --stdin <password
show cat /etc/shadow
umount /etc/shadow /var/lib top

title "Back to the state it was shipped in, at the next boot"
show "$FACTORY_RESET" --device="$data" --yes
show "$INIT_STORAGE" --root=tree --device="$data"
mount -o ro,subvolid=5 "$data" top
show cat top/var/lib/aimee-os/etc/shadow
show jq . top/var/lib/aimee-os/last-reset.json
umount top

title "A device that holds somebody's data"
mkfs.ext4 -q -F -L photos "${disk}p1"
show "$INIT_STORAGE" --root=tree --device="${disk}p1" || echo "(exit status $?)"
