# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The appliance's hardware: how QEMU is called. Sourced by "run" and by "start".

# The serial console shows what an admin would see, without colours in the log. The machine's
# identity comes from its boot loader, as the image has none and /etc cannot keep one.
KERNEL_OPTIONS=(console=ttyS0 loglevel=6 systemd.show_status=1 mitigations=off SYSTEMD_COLORS=0
	systemd.machine_id=5a1cbb0a4b6f4e0c9d2f6a0c7d3e8f10 security=selinux selinux=1
	audit_backlog_limit=8192 sysctl.kernel.printk_ratelimit=0)

# A /dev/kvm may be there and hang where the processor has no virtualisation.
accelerator() {
	if [[ ${VM_ACCEL:-} ]]; then
		echo "$VM_ACCEL"
	elif [[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
		echo kvm
	else
		echo tcg
	fi
}

# make_disk FILE [SIZE]: GPT, with a file system on the partition "extra" and a blank "data".
make_disk() {
	rm -f "$1" "$1.extra"
	truncate -s "${2:-2G}" "$1"
	printf 'label: gpt\nsize=32MiB, name="extra"\nname="data"\n' | sfdisk --quiet "$1"
	truncate -s 32M "$1.extra"
	mkfs.ext4 -q -F "$1.extra"
	dd if="$1.extra" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
	rm "$1.extra"
}

# machine IMAGE DISK PORT [qemu option...]: becomes QEMU. What the guest wrote is in the host's
# page cache, so killing QEMU stops the processor, but loses no write that the guest was done with.
machine() {
	local image=$1 disk=$2 port=$3
	shift 3
	exec qemu-system-x86_64 -accel "$(accelerator)" -machine q35 -m 512 -smp "${VM_CPUS:-1}" \
		-nodefaults -display none -kernel "$VM/base/vmlinuz" -initrd "$VM/base/initrd" \
		-append "${KERNEL_OPTIONS[*]} ${MORE_KERNEL_OPTIONS:-}" \
		-drive "file=$image,format=raw,if=virtio,readonly=on" \
		-drive "file=$disk,format=raw,if=virtio,cache=writeback${DISK_OPTIONS:+,$DISK_OPTIONS}" \
		-netdev "user,id=net,hostfwd=tcp:127.0.0.1:$port-:22" -device virtio-net-pci,netdev=net,romfile= \
		-device virtio-rng-pci "$@"
}
