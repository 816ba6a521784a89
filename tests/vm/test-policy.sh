# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the programs may never do, asked of the compiled policy of the image. No guest is started.
# images: plain

DOMAINS=(aimee_storinit_t aimee_factoryreset_t aimee_rootpw_t)

# Each question of sesearch reads the whole policy, so there are few, and their answers are kept.
_ask() {
	local answer=$1 program=$2
	shift 2
	[[ -s $answer ]] || "$program" "$VM"/policy/upper/etc/selinux/default/policy/policy.* "$@" >"$answer"
}

# _rules DOMAIN: all that it is allowed, a line for each type, class and permission.
_rules() {
	_ask attributes seinfo --attribute -x
	_ask "allow.$1" sesearch --allow --source="$1"
	[[ -s rules.$1 ]] || awk -v domain="$1" '
		NR == FNR && $1 == "attribute" { attribute = $2; sub(/;$/, "", attribute); next }
		NR == FNR { if (NF == 1) members[attribute] = members[attribute] " " $1; next }
		$1 == "allow" {
			split($3, object, ":")
			if (object[1] == "self") object[1] = domain
			count = split(object[1] in members ? members[object[1]] : object[1], types, " ")
			for (i = 4; i <= NF && $i !~ /^}?;?$/ && $i !~ /^\[/; i++) {
				permission = $i
				gsub(/[{};]/, "", permission)
				for (t = 1; t <= count && permission; t++) print types[t], object[2], permission
				if ($i ~ /;$/) break
			}
		}' attributes "allow.$1" | sort -u >"rules.$1"
	[[ -s rules.$1 ]] || fail "the policy has no $1"
	cat "rules.$1"
}

# _members ATTRIBUTE: its types.
_members() {
	awk -v attribute="$1;" '$1 == "attribute" { inside = $2 == attribute; next } inside && NF == 1 { print $1 }' \
		attributes | sort -u
}

# _may DOMAIN "TYPE CLASS PERMISSION"
_may() {
	_rules "$1" | grep -xF "$2" >/dev/null
}

# _types DOMAIN CLASS PERMISSION...: of which types it is allowed one of these.
_types() {
	local domain=$1 class=$2
	shift 2
	_rules "$domain" | grep -E " $class ($(IFS='|'; echo "$*"))\$" | cut -d ' ' -f 1 | sort -u
}

# _assert_none DOMAIN TYPE CLASS PERMISSION...: each but the first may be a regular expression.
_assert_none() {
	local domain=$1 type=$2 class=$3 found
	shift 3
	_rules "$domain" >/dev/null
	found=$(grep -E "^($type) ($class) ($(IFS='|'; echo "$*"))\$" "rules.$domain" || :)
	[[ ! $found ]] || fail "$domain is allowed:"$'\n'"$found"
}

the_domains_are_confined() {
	local domain
	_ask attributes seinfo --attribute -x
	_ask permissive seinfo --permissive
	for domain in "${DOMAINS[@]}"; do
		_may "$domain" 'aimee_os_runtime_t file create' || fail "$domain is not in the policy"
		! _members unconfined_domain_type | grep -x "$domain" || fail "it is unconfined"
		! grep -w "$domain" permissive || fail "it is permissive"
	done
	_members unconfined_domain_type | grep -x unconfined_t >/dev/null || fail "nothing is unconfined"
}

only_fixed_disks_are_written() {
	local domain
	for domain in aimee_storinit_t aimee_factoryreset_t; do
		[[ $(_types "$domain" blk_file write append) == fixed_disk_device_t ]] ||
			fail "$domain writes $(_types "$domain" blk_file write append)"
	done
	_assert_none aimee_rootpw_t '.*' blk_file read write append
}

only_who_copies_homes_reads_them() {
	_may aimee_storinit_t 'user_home_t file read' || fail "init-storage cannot copy a home"
	local homes
	homes=$(_members user_home_content_type | paste -sd '|')
	[[ $homes == *ssh_home_t* ]] || fail "no homes in the policy"
	_assert_none aimee_factoryreset_t "$homes|user_home_dir_t" '(lnk_)?file|dir' read write append
	_assert_none aimee_rootpw_t "$homes|user_home_dir_t" '(lnk_)?file|dir' read write append
}

# All of them but the shadow file, as a regular expression.
_security_types() {
	comm -23 <(_members file_type) <(_members non_security_file_type) | grep -vx shadow_t >security
	grep -qx auditd_log_t security || fail "there are no security files"
	paste -sd '|' security
}

security_files_are_those_that_writable_etc_names() {
	_may aimee_storinit_t 'shadow_t file create' || fail "init-storage cannot copy the shadow file"
	_may aimee_storinit_t 'var_lib_t sock_file create' || fail "init-storage cannot copy a socket"
	_assert_none aimee_storinit_t "$(_security_types)" 'file|dir' read write append create unlink
	_assert_none aimee_factoryreset_t shadow_t file read write append
}

no_module_no_boolean_and_no_policy_is_loaded() {
	local domain
	_may load_policy_t 'security_t security load_policy' || fail "nobody loads a policy"
	for domain in "${DOMAINS[@]}"; do
		_assert_none "$domain" '.*' system module_load
		_assert_none "$domain" '.*' 'capability|cap_userns' sys_module sys_rawio sys_ptrace net_admin
		_assert_none "$domain" '.*' security load_policy setbool setenforce setsecparam
		_assert_none "$domain" policy_config_t file write append create
	done
}

nothing_that_a_user_can_write_is_executed() {
	local domain user type
	for user in user_t staff_t guest_t; do
		_types "$user" file write append
	done | sort -u >writable
	grep -qx user_home_t writable || fail "users can write nothing"
	for domain in "${DOMAINS[@]}"; do
		_types "$domain" file execute execute_no_trans entrypoint >executable
		grep -qx lib_t executable || fail "$domain executes nothing"
		type=$(comm -12 writable executable)
		[[ ! $type ]] || fail "$domain may execute $type"
	done
}

# Nor is set-root-password entered from systemd.
no_ordinary_user_enters_a_domain() {
	local domain user
	_ask roles seinfo --role -x
	for domain in "${DOMAINS[@]}"; do
		for user in user_t staff_t guest_t xguest_t; do
			_assert_none "$user" "$domain" process transition dyntransition ptrace
		done
		for user in user_r staff_r guest_r; do
			! sed -n "/role $user types/p" roles | grep -w "$domain" || fail "$user may have $domain"
		done
		for user in sysadm_t unconfined_t; do
			_may "$user" "$domain process transition" || fail "$user cannot run $domain"
		done
	done
	_assert_none init_t aimee_rootpw_t process transition
	for domain in "${DOMAINS[@]}"; do
		sed -n '/role sysadm_r types/p' roles | grep -w "$domain" >/dev/null || fail "sysadm_r may not have $domain"
	done
}
