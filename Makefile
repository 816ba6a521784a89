# SPDX-License-Identifier: MIT
#
# make             the programs, below build/     make demo         one run on a loop device
# make check       every test                     make check-quick  those of a minute or two
# make lint        static checks                  make install      DESTDIR=, prefix=, ...
# make dist        a tarball                      make clean        all but the built libmount
# make vm          an appliance in QEMU, to log in to
# Parts of check: unit check-asan check-tsan check-valgrind check-fuzz check-system
# check-asan-system check-build check-powercut check-faults check-vm. Alone, check-fuzz takes an
# hour for each target. Also: coverage fuzz format distclean
#
# Overrides: BUILD= CC= CPPFLAGS= CFLAGS= LDFLAGS= CROSS_COMPILE= PKG_CONFIG= MKFS_BTRFS= V=1
# LIBMOUNT_DIR= (prefix of a static libmount) or UTIL_LINUX_SRC= (sources to build it from)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

BUILD = build
NAME = aimee-os-storage
VERSION := $(shell cat VERSION)
MKFS_BTRFS = /sbin/mkfs.btrfs
SYSTEMCTL = /bin/systemctl
PASSWD = /usr/bin/passwd
CHPASSWD = /usr/sbin/chpasswd
Q = $(if $(V),,@)

# ---- toolchain: what the caller gives is added, it replaces nothing ----------------------

ifeq ($(origin CC),default)
CC = $(CROSS_COMPILE)gcc
endif
ifeq ($(origin AR),default)
AR = $(CROSS_COMPILE)ar
endif
STRIP ?= $(CROSS_COMPILE)strip
PKG_CONFIG ?= $(CROSS_COMPILE)pkg-config
CLANG ?= clang
GCC ?= gcc

# Where libmount is built when the system has none to link statically.
DEPS = $(BUILD)/deps/$(notdir $(CROSS_COMPILE))util-linux
export CC CPPFLAGS CFLAGS LDFLAGS CROSS_COMPILE PKG_CONFIG DEPS LIBMOUNT_DIR UTIL_LINUX_SRC

# Warnings are errors, by name; probe-toolchain adds those that only one compiler knows.
WARNINGS = -Wall -Wextra -Wformat=2 $(addprefix -Werror=, \
    address alloca array-bounds bad-function-cast cast-align cast-qual char-subscripts comment \
    date-time empty-body enum-compare format format-extra-args format-nonliteral \
    format-security format-y2k ignored-qualifiers implicit-fallthrough \
    implicit-function-declaration implicit-int incompatible-pointer-types init-self \
    int-conversion int-to-pointer-cast main missing-braces missing-declarations \
    missing-field-initializers missing-prototypes nested-externs nonnull \
    old-style-definition overflow override-init parentheses pointer-arith pointer-sign \
    pointer-to-int-cast redundant-decls return-type sequence-point shadow \
    shift-count-negative shift-count-overflow shift-negative-value sign-compare \
    sizeof-array-argument sizeof-pointer-memaccess strict-prototypes switch \
    tautological-compare type-limits undef uninitialized unknown-pragmas \
    unused-but-set-parameter unused-but-set-variable unused-function unused-label \
    unused-local-typedefs unused-parameter unused-result unused-value unused-variable \
    vla write-strings)
DEFINES = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVERSION='"$(VERSION)"' \
    -DMKFS_BTRFS='"$(MKFS_BTRFS)"' -DSYSTEMCTL='"$(SYSTEMCTL)"' \
    -DPASSWD='"$(PASSWD)"' -DCHPASSWD='"$(CHPASSWD)"'
LANGUAGE = -std=gnu11 -fno-strict-aliasing -I. $(DEFINES) $(WARNINGS)
# No folder of this machine gets into the programs: the same source gives the same bytes.
PREFIX_MAP = '-ffile-prefix-map=$(CURDIR)=.' $(UTIL_LINUX:%='-ffile-prefix-map=%=util-linux')
# The linker warns where a static program would load shared libraries at run time.
STATIC_LINK = $(STATIC) -Wl,--fatal-warnings
COVERAGE = '-fprofile-instr-generate=$(abspath $(BUILD))/coverage/raw/%m%c.profraw'
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# ---- what to build -----------------------------------------------------------------------

# The folder of a program appears when it has content. Tests see every object but main.
FOLDERS = $(patsubst %/,%,$(sort $(dir $(wildcard $(addsuffix /*.c, \
    init-storage factory-reset set-root-password generator common)))))
PACKAGES = mount blkid uuid libbtrfsutil libselinux libsodium libxxhash
PROGRAMS = $(filter init-storage factory-reset set-root-password,$(FOLDERS))
GENERATORS = $(patsubst generator,aimee-os-generator,$(filter generator,$(FOLDERS)))
UNIT_TESTS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test-*.c))
# Those that start threads.
THREADED = $(filter test-copy% test-log test-progress test-staging,$(UNIT_TESTS))
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))

objects = $(patsubst %.c,$(BUILD)/$(or $(2),obj)/%.o,$(wildcard $(1:%=%/*.c)))
tested = $(filter-out %/main.o $(BUILD)/$(1)/tests/unit/test-%,$(call objects,$(FOLDERS) tests/unit,$(1)))

.PHONY: all unit check-asan check-asan-system check-tsan check-valgrind coverage fuzz check-fuzz
.PHONY: check-system check-build check-powercut check-faults check-vm
.PHONY: check check-quick demo vm lint format install dist clean distclean FORCE
all: $(PROGRAMS:%=$(BUILD)/%) $(GENERATORS:%=$(BUILD)/%)

# Of common/ a program takes what it calls.
COMMON = $(BUILD)/obj/packaging/no-nss.o $(if $(filter common,$(FOLDERS)),$(BUILD)/obj/common.a)

# One link line for each program.
$(BUILD)/init-storage: $(call objects,init-storage) $(COMMON) $(BUILD)/sources
	$(call link,$(STATIC_LINK),$(PACKAGES))

$(BUILD)/factory-reset: $(call objects,factory-reset) $(COMMON) $(BUILD)/sources
	$(call link,$(STATIC_LINK),$(PACKAGES))

$(BUILD)/set-root-password: $(call objects,set-root-password) $(COMMON) $(BUILD)/sources
	$(call link,$(STATIC_LINK),$(PACKAGES))

$(BUILD)/aimee-os-generator: $(call objects,generator) $(COMMON) $(BUILD)/sources
	$(call link,$(STATIC_LINK),$(PACKAGES))

$(BUILD)/obj/common.a: $(call objects,common)
$(BUILD)/obj/tested.a: $(call tested,obj)
$(BUILD)/asan/tested.a: $(call tested,asan)

$(BUILD)/obj/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/obj/tested.a
	$(call link,-pie,cmocka $(PACKAGES))
$(BUILD)/asan/unit/%: $(BUILD)/asan/tests/unit/%.o $(BUILD)/asan/tested.a
	$(call link,-pie $(SANITIZE),cmocka $(PACKAGES))

$(BUILD)/tsan/tested.a: $(call tested,tsan)
$(BUILD)/tsan/unit/%: $(BUILD)/tsan/tests/unit/%.o $(BUILD)/tsan/tested.a
	$(call link,-pie -fsanitize=thread,cmocka $(PACKAGES))

# The programs for those who look over their shoulder. Valgrind replaces functions of shared
# libraries only; the address sanitizer needs them.
$(BUILD)/asan/common.a: $(call objects,common,asan)
define watched_program
$(BUILD)/dynamic/$(1): $(call objects,$(1)) $(COMMON) $(BUILD)/sources
	$$(call link,-pie,$$(PACKAGES))
$(BUILD)/asan/bin/$(1): $(call objects,$(1),asan) $(BUILD)/asan/common.a $(BUILD)/sources
	$$(call link,-pie $$(SANITIZE),$$(PACKAGES))
endef
$(foreach program,$(PROGRAMS),$(eval $(call watched_program,$(program))))

# libFuzzer is clang's, whatever the compiler of the rest is.
FUZZ_TESTED = $(filter-out %/main.o $(BUILD)/$(1)/tests/fuzz/fuzz-%,$(call objects,$(FOLDERS) tests/fuzz,$(1))) \
    $(BUILD)/$(1)/tests/unit/superblock-fixture.o
$(BUILD)/fuzz/tested.a: $(call FUZZ_TESTED,fuzz)
$(BUILD)/fuzz/fuzz-%: private CC = $(CLANG)
$(BUILD)/fuzz/fuzz-%: $(BUILD)/fuzz/tests/fuzz/fuzz-%.o $(BUILD)/fuzz/tested.a
	$(call link,-pie $(SANITIZE) -fsanitize=fuzzer,cmocka $(PACKAGES))

# Clang counts what runs in a mapped file (%c), so that _exit, SIGKILL and another root lose
# nothing; one file for each program (%m).
COVERED = $(PROGRAMS:%=$(BUILD)/coverage/bin/%) $(GENERATORS:%=$(BUILD)/coverage/bin/%) \
    $(UNIT_TESTS:%=$(BUILD)/coverage/unit/%) $(FUZZERS:$(BUILD)/%=$(BUILD)/coverage/%)
$(COVERED): private CC = $(CLANG)
$(BUILD)/coverage/common.a: $(call objects,common,coverage)
$(BUILD)/coverage/tested.a: $(sort $(call tested,coverage) $(call FUZZ_TESTED,coverage))
$(BUILD)/coverage/unit/%: $(BUILD)/coverage/tests/unit/%.o $(BUILD)/coverage/tested.a
	$(call link,-pie $(COVERAGE),cmocka $(PACKAGES))
$(BUILD)/coverage/fuzz/%: $(BUILD)/coverage/tests/fuzz/%.o $(BUILD)/coverage/tested.a
	$(call link,-pie $(COVERAGE) -fsanitize=fuzzer,cmocka $(PACKAGES))
define covered_program
$(BUILD)/coverage/bin/$(1): $(call objects,$(2),coverage) $(BUILD)/coverage/packaging/no-nss.o \
    $(BUILD)/coverage/common.a $(BUILD)/sources
	$$(call link,$$(STATIC_LINK) $$(COVERAGE),$$(PACKAGES))
endef
$(foreach program,$(PROGRAMS),$(eval $(call covered_program,$(program),$(program))))
$(foreach program,$(GENERATORS),$(eval $(call covered_program,$(program),generator)))

# What the power cuts are made with.
POWERCUT = $(BUILD)/powercut-record $(BUILD)/powercut-write-back
$(BUILD)/powercut-%: $(BUILD)/obj/tests/powercut/%.o
	$(call link,-pie,fuse3)

# The policy module wants the distribution's policy headers: where there are none it is left out.
SELINUX_DEVEL = /usr/share/selinux/devel/Makefile
POLICY_MODULE = $(if $(wildcard $(SELINUX_DEVEL)),$(BUILD)/selinux/aimee-os.pp)
$(BUILD)/selinux/aimee-os.pp: selinux/aimee-os.te selinux/aimee-os.fc selinux/aimee-os.if
	@mkdir -p $(@D)
	@echo '  POLICY  $@'
	@cp $^ $(@D)
	$(Q)$(MAKE) --no-print-directory --silent -C $(@D) -f $(SELINUX_DEVEL) $(@F) >$@.log 2>&1 || { cat $@.log; exit 1; }

# What lets a system call fail.
FAULTS = $(BUILD)/faults-inject
$(FAULTS): $(call objects,tests/faults)
	$(call link,-pie,libseccomp)

# ---- how to build ------------------------------------------------------------------------

# What the compiler and the libraries can do, looked at once and again when a flag changes.
# Everything depends on it. (make -n must not install anything, so it takes what is there.)
SIGNATURE := $(shell $(CC) --version 2>/dev/null | head -n 1) $(CC) $(CPPFLAGS) $(CFLAGS) \
    $(LDFLAGS) $(LANGUAGE) $(PKG_CONFIG) $(PACKAGES) $(LIBMOUNT_DIR) $(UTIL_LINUX_SRC)
# A program or archive must forget a source that went away.
SOURCES := $(wildcard $(FOLDERS:%=%/*.c) tests/unit/*.c)

ifneq ($(SIGNATURE),$(file <$(BUILD)/signature))
$(BUILD)/signature: FORCE
endif
ifneq ($(SOURCES),$(file <$(BUILD)/sources))
$(BUILD)/sources: FORCE
endif
$(BUILD)/signature: export CONTENT = $(SIGNATURE)
$(BUILD)/sources: export CONTENT = $(SOURCES)
$(BUILD)/signature $(BUILD)/sources:
	@mkdir -p $(@D)
	@printf '%s\n' "$$CONTENT" >$@

ifneq ($(filter-out dist clean distclean,$(or $(MAKECMDGOALS),all)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
include $(BUILD)/config.mk
else
-include $(wildcard $(BUILD)/config.mk)
endif
endif
$(BUILD)/config.mk: $(BUILD)/signature packaging/probe-toolchain
	@packaging/build-deps build
	@packaging/probe-toolchain $(PACKAGES) >$@.$$$$ && mv $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }

$(DEPS)/lib/libmount.a:
	@packaging/build-libmount $(DEPS)
# Every object wants its headers; built once, it makes none of them out of date.
LIBMOUNT = $(if $(filter $(DEPS),$(UTIL_LINUX)),$(DEPS)/lib/libmount.a)

MODE = $(LANGUAGE) $(PREFIX_MAP) $(PACKAGE_CFLAGS) -O2 -g -fPIE
define compile
	@mkdir -p $(@D)
	@echo '  CC      $@'
	$(Q)$(1) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
endef
$(BUILD)/obj/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(CC) $(MODE) $(HARDENING) $(EXTRA_WARNINGS))
$(BUILD)/asan/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(CC) $(MODE) $(SANITIZE))
$(BUILD)/tsan/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(CC) $(MODE) -fsanitize=thread)
$(BUILD)/fuzz/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(CLANG) $(MODE) $(SANITIZE) -fsanitize=fuzzer-no-link)

$(BUILD)/coverage/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(CLANG) $(MODE) $(COVERAGE) -fcoverage-mapping -mllvm -runtime-counter-relocation)

$(BUILD)/%.a: $(BUILD)/sources
	@echo '  AR      $@'
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(filter %.o,$^)

# $(call link,FLAGS,PACKAGES): of the libraries of util-linux, all from one place.
define link
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	$(Q)libs=$$(PKG_CONFIG_PATH=$(UTIL_LINUX:%=%/lib/pkgconfig:)$$PKG_CONFIG_PATH \
	    $(PKG_CONFIG) --static --libs $(2)) && \
	$(CC) $(CFLAGS) $(1) -Wl,-z,relro,-z,now,-z,noexecstack -o $@ $(filter %.o %.a,$^) \
	    $(LDFLAGS) $(UTIL_LINUX:%=-L%/lib) $$libs
endef

-include $(wildcard $(BUILD)/*/*/*.d $(BUILD)/*/tests/*/*.d)

# ---- tests -------------------------------------------------------------------------------

unit: $(UNIT_TESTS:%=$(BUILD)/obj/unit/%)
	@tests/unit/run unit $^

check-asan: export ASAN_OPTIONS = detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
check-asan: export UBSAN_OPTIONS = print_stacktrace=1
check-asan: $(UNIT_TESTS:%=$(BUILD)/asan/unit/%)
	@tests/unit/run asan $^

# Kernels can lay out memory in more ways than the thread sanitizer knows.
check-tsan: export TSAN_OPTIONS = halt_on_error=1
check-tsan: export WRAPPER = setarch -R
check-tsan: $(THREADED:%=$(BUILD)/tsan/unit/%)
	@tests/unit/run tsan $^

check-valgrind: all $(UNIT_TESTS:%=$(BUILD)/obj/unit/%) $(PROGRAMS:%=$(BUILD)/dynamic/%)
	@tests/valgrind/run '$(abspath $(BUILD))'

# Real runs, but for the generator's in roots without libraries. The leak sanitizer cannot look
# into a process that strace looks into, or that lets nobody do so.
ASAN_ENVIRONMENT = $(RUN_ENVIRONMENT) INIT_STORAGE="$$(realpath $(BUILD)/asan/bin/init-storage)" \
    FACTORY_RESET="$$(realpath $(BUILD)/asan/bin/factory-reset)" \
    SET_ROOT_PASSWORD="$$(realpath $(BUILD)/asan/bin/set-root-password)"
check-asan-system: export UBSAN_OPTIONS = print_stacktrace=1
check-asan-system: all $(PROGRAMS:%=$(BUILD)/asan/bin/%)
	@$(ASAN_ENVIRONMENT) ASAN_OPTIONS=exitcode=99 tests/system/run --quick first-run convergence
	@$(ASAN_ENVIRONMENT) ASAN_OPTIONS=exitcode=99:detect_leaks=0 tests/system/run --quick reset-status \
	    'from_standard_input_*' 'on_a_terminal_passwd_*' 'files_of_all_sizes_*' 'a_*_history_*' \
	    'in_a_writable_etc_*' 'every_mount_below_etc_*'

COVERAGE_PERCENT = 90
coverage: $(COVERED) $(BUILD)/powercut-record
	@tests/coverage/run '$(abspath $(BUILD))/coverage' $(COVERAGE_PERCENT) $(SYSTEM_OPTIONS)

FUZZ_SECONDS = 3600
fuzz: $(FUZZERS)
check-fuzz: $(FUZZERS)
	@tests/fuzz/run $(FUZZ_SECONDS) $(realpath $^)

RUN_ENVIRONMENT = INIT_STORAGE="$$(realpath $(BUILD)/init-storage)" \
    FACTORY_RESET="$$(realpath $(BUILD)/factory-reset)" \
    SET_ROOT_PASSWORD="$$(realpath $(BUILD)/set-root-password)" \
    GENERATOR="$$(realpath $(BUILD)/aimee-os-generator)" RECORDER='$(abspath $(BUILD)/powercut-record)'
check-system: all $(BUILD)/powercut-record
	@$(RUN_ENVIRONMENT) tests/system/run $(SYSTEM_OPTIONS)

# More than an hour; "check" has POWERCUT_OPTIONS=--quick. POWERCUT_OPTIONS=--resume goes on.
check-powercut: all $(POWERCUT)
	@unshare --mount --propagation private tests/powercut/test-harness --build=$(BUILD)
	@$(RUN_ENVIRONMENT) tests/powercut/run --build=$(BUILD) $(POWERCUT_OPTIONS)

# All faults take an hour; "check" has FAULTS_OPTIONS=--quick.
check-faults: all $(FAULTS)
	@tests/faults/test-harness $(FAULTS)
	@$(RUN_ENVIRONMENT) tests/faults/run --build=$(BUILD) $(FAULTS_OPTIONS)

check-build: all
	@tests/build/run "$$(realpath $(BUILD))"

check-vm: all
	@packaging/build-deps vm
	@BUILD='$(abspath $(BUILD))' tests/vm/run $(VM_OPTIONS)
vm: all
	@packaging/build-deps vm
	@BUILD='$(abspath $(BUILD))' tests/vm/start

# Everything that can run is run; what failed is said at the end.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$$(nproc))
define run_each
	@failed=; for part in $(1); do \
	    start=$$(date +%s); \
	    $(MAKE) --no-print-directory $(JOBS) -k $$part || failed="$$failed $$part"; \
	    echo "$@: $${part%% *} took $$(($$(date +%s) - start)) s"; \
	done; \
	test -z "$$failed" || { echo "$@: FAILED:$$failed"; exit 1; }; echo "$@: all passed"
endef
check:
	@packaging/build-deps build test lint vm
	$(call run_each,all lint unit check-asan check-tsan check-valgrind 'check-fuzz FUZZ_SECONDS=60' \
	    check-system check-asan-system check-build 'check-powercut POWERCUT_OPTIONS=--quick' \
	    'check-faults FAULTS_OPTIONS=--quick' check-vm)
check-quick:
	@packaging/build-deps build test
	$(call run_each,all unit check-asan 'check-system SYSTEM_OPTIONS=--quick')

demo: all
	@packaging/build-deps demo
	@$(RUN_ENVIRONMENT) ./demo.sh

# ---- static checks -----------------------------------------------------------------------

C_SOURCES = $(wildcard $(FOLDERS:%=%/*.c) packaging/*.c tests/*/*.c)
C_HEADERS = $(wildcard $(FOLDERS:%=%/*.h) tests/*/*.h)
MANUALS = $(wildcard man/*.[1-8])
SCRIPTS = $(shell find . \( -path './build*' -o -path './$(BUILD)' -o -name .git \) -prune -o -type f -exec \
    awk 'FNR == 1 && (/^.!.*sh( |$$)/ || FILENAME ~ /\.sh$$/) { print FILENAME } { nextfile }' {} +)
LINT_MODE = $(LANGUAGE) $(PACKAGE_CFLAGS)

# Inlined cleanup functions look uninitialised to gcc 12, hence -O0. And it takes a pointer for
# lost when the struct that holds it is copied or grows: LeakSanitizer looks for leaks.
ANALYZER = -fanalyzer -O0 -Werror -Wno-analyzer-malloc-leak
$(BUILD)/analyzer/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(GCC) $(LINT_MODE) $(ANALYZER))
$(BUILD)/clang/%.o: %.c $(BUILD)/config.mk | $(LIBMOUNT)
	$(call compile,$(CLANG) $(LINT_MODE) -O2 -Werror)
$(BUILD)/tidy/%.ok: %.c .clang-tidy $(C_HEADERS) $(BUILD)/config.mk | $(LIBMOUNT)
	@mkdir -p $(@D)
	@echo '  TIDY    $<'
	$(Q)clang-tidy --quiet $< -- $(LINT_MODE) 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

.PHONY: lint-cppcheck lint-format lint-shell lint-man lint-policy
lint: $(patsubst %.c,$(BUILD)/analyzer/%.o,$(wildcard $(FOLDERS:%=%/*.c)))
lint: $(C_SOURCES:%.c=$(BUILD)/clang/%.o) $(C_SOURCES:%.c=$(BUILD)/tidy/%.ok)
lint: lint-cppcheck lint-format lint-shell lint-man lint-policy
	@echo 'lint: clean'
# cppcheck does not know __attribute__((cleanup)), so every owner seems to leak; and readdir
# is only unsafe on a stream that two threads share.
lint-cppcheck:
	@echo '  CPPCHECK'
	$(Q)cppcheck --quiet -j "$$(nproc)" --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=resourceLeak --suppress=memleak --suppress=readdirCalled \
	    --error-exitcode=1 --library=posix,gnu -I. $(DEFINES) $(C_SOURCES)
lint-format:
	@echo '  FORMAT'
	$(Q)clang-format --dry-run -Werror $(C_SOURCES) $(C_HEADERS)
format:
	clang-format -i $(C_SOURCES) $(C_HEADERS)
lint-shell:
	@echo '  SHELL'
	$(Q)shellcheck $(SCRIPTS)
lint-man:
	@echo '  MAN'
	$(if $(MANUALS),$(Q)mandoc -T lint -W warning $(MANUALS))

# The headers have interfaces, but not the types that those declare (E-005), and none for the few rules of other
# domains that the module adds (S-001).
lint-policy:
	@echo '  SELINT'
	$(Q)selint --fail --disable=E-005 --disable=S-001 --context=$(dir $(SELINUX_DEVEL))include \
	    $(addprefix selinux/aimee-os.,te if fc) 2>&1 | awk '!/^(Note|Warning):/ { print; found = 1 } END { exit found }'

# ---- installation ------------------------------------------------------------------------

prefix ?= /usr
exec_prefix ?= $(prefix)
sbindir ?= $(exec_prefix)/sbin
datarootdir ?= $(prefix)/share
mandir ?= $(datarootdir)/man
docdir ?= $(datarootdir)/doc/$(NAME)
pkglibdir ?= $(prefix)/lib/aimee-os
sysconfdir ?= $(if $(filter /usr,$(prefix)),,$(prefix))/etc
INSTALL ?= install
systemd = $(or $(shell $(PKG_CONFIG) --variable=$(1) systemd 2>/dev/null),$(prefix)/lib/$(2))
SYSTEMDSYSTEMUNITDIR ?= $(call systemd,systemdsystemunitdir,systemd/system)
SYSTEMDSYSTEMGENERATORDIR ?= $(call systemd,systemdsystemgeneratordir,systemd/system-generators)

# $(call put,MODE AND OTHER OPTIONS,FILES,FOLDER): of the files that there are.
define put
	$(if $(strip $(2)),$(Q)$(INSTALL) -d '$(DESTDIR)$(3)' && \
	    $(INSTALL) -m $(1) $(2) '$(DESTDIR)$(3)')
endef
PROGRAM_MODE = 755 $(if $(STRIP),-s --strip-program='$(STRIP)')
UNITS = $(wildcard units/*.service)
DROP_INS = $(wildcard units/*.service.d)

install: all $(POLICY_MODULE)
	$(call put,$(PROGRAM_MODE),$(PROGRAMS:%=$(BUILD)/%),$(sbindir))
	$(call put,$(PROGRAM_MODE),$(GENERATORS:%=$(BUILD)/%),$(SYSTEMDSYSTEMGENERATORDIR))
	$(call put,644,$(wildcard init-storage/writable-etc),$(pkglibdir))
	$(call put,644,$(UNITS),$(SYSTEMDSYSTEMUNITDIR))
	$(Q)sed -i 's,=/usr/sbin/,=$(sbindir)/,' \
	    $(UNITS:units/%='$(DESTDIR)$(SYSTEMDSYSTEMUNITDIR)/%')
	$(Q)$(INSTALL) -d '$(DESTDIR)$(SYSTEMDSYSTEMUNITDIR)/final.target.wants'
	$(Q)ln -sf ../factory-reset.service '$(DESTDIR)$(SYSTEMDSYSTEMUNITDIR)/final.target.wants/'
	$(Q)for folder in $(notdir $(DROP_INS)); do \
	    $(INSTALL) -d '$(DESTDIR)$(SYSTEMDSYSTEMUNITDIR)'/$$folder && $(INSTALL) -m 644 \
	        units/$$folder/*.conf '$(DESTDIR)$(SYSTEMDSYSTEMUNITDIR)'/$$folder || exit 1; \
	done
	$(call put,644,$(wildcard units/sshd_config.d/*.conf),$(sysconfdir)/ssh/sshd_config.d)
	$(call put,644,$(POLICY_MODULE),$(datarootdir)/selinux/packages)
	$(call put,644,$(wildcard man/*.5),$(mandir)/man5)
	$(call put,644,$(wildcard man/*.7),$(mandir)/man7)
	$(call put,644,$(wildcard man/*.8),$(mandir)/man8)
	$(call put,644,$(wildcard README.md NEWS LICENSE docs/*.md),$(docdir))

# ---- tarball and tidying up --------------------------------------------------------------

# In a clone what git knows or would add, elsewhere all that is here.
TARBALL = $(BUILD)/$(NAME)-$(VERSION).tar.gz
dist:
	@mkdir -p $(BUILD)
	@{ git ls-files -z --cached --others --exclude-standard --exclude='/$(BUILD)/' \
	    --deduplicate 2>/dev/null || \
	    find . \( -path './build*' -o -path './$(BUILD)' -o -name .git \) -prune -o \
	    -type f -printf '%P\0'; } | LC_ALL=C sort -z | \
	tar --null --files-from=- --format=ustar --owner=0 --group=0 \
	    --numeric-owner --mode=u=rwX,go=rX --transform='s,^,$(NAME)-$(VERSION)/,' \
	    --mtime="@$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 0)}" \
	    --use-compress-program='gzip -9n' -cf $(TARBALL)
	@echo $(TARBALL)

# libmount stays: it costs two minutes.
clean:
	@test ! -d $(BUILD) || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +
distclean:
	rm -rf $(BUILD)
