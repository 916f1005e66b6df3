# raftkv: a POSIX filesystem on replicated regions.
#
#   make              build everything into $(BUILD)        sudo make run    install, build and mount ./mnt
#   make SAN=1        the same with ASan and UBSan          sudo make check  install, build and run every test
#   make TSAN=1       with ThreadSanitizer                  make bench       micro-benchmarks, as a table
#   make PLANT=1      with planted bugs (tests only)        make fuzz        every fuzz target, FUZZ_SECONDS each
#   make torture MINUTES=  long random runs, 100 kills      make deb         a Debian package, in $(BUILD)
#   make torture-regions   nine stores, 1,000,000 files in small regions; two stores killed (FILES= BYTES= SCRATCH= ...)
#   sudo make cluster      three stores here, mounted on MNT   sudo make cluster-stop   ends them
#   make sim SEEDS= SEED=  clusters in one thread, simulated
#   make V=1          show commands                         make lint        layering, lengths, formatting
#
# Sources are found by wildcard: a .c file in a layer belongs to the layer's library; a file in tests/unit/LAYER is a
# test program; the folder of each tests/*/main.c is the program build/tests/NAME; tests/cases/*.sh are run by check.

.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
SBINDIR ?= /sbin
MANDIR  ?= /usr/local/share/man
BINDIR  ?= /usr/bin
UNITDIR ?= /lib/systemd/system
MNT     ?= ./mnt
VOLUME  ?= ./volume
CLUSTER ?= ./cluster
STORES  ?= 3
comma   := ,
variant := $(if $(SAN),-san)$(if $(TSAN),-tsan)$(if $(PLANT),-plant)
BUILD   ?= build$(variant)
FUZZ_SECONDS ?= 60
MINUTES ?= 10
SEEDS   ?= 1000
SEED    ?= 1
quiet   := $(if $(V),,@)
say      = $(if $(V),@:,@printf '  %-4s %s\n' $(1) $@)

CC      := gcc
CFLAGS  ?= -O2 -g
warn    := -Wall -Wextra -Wshadow -Wconversion -Werror
harden  := -fPIE -fstack-protector-strong $(if $(SAN)$(TSAN),,-D_FORTIFY_SOURCE=2)
instr   := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
instr   += $(if $(TSAN),-fsanitize=thread)
define_ := $(if $(PLANT),-DRAFTKV_PLANT)
compile  = $(CC) -std=c17 -D_GNU_SOURCE -I. -I$(BUILD) $(CFLAGS) $(warn) $(harden) $(instr) $(define_) -MMD -MP -c
link     = $(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now,--as-needed $(instr)

# ---- Packages ----
packages_build := gcc make pkg-config libfuse3-dev fuse3 librocksdb-dev libuv1-dev liburing-dev libprotobuf-c-dev \
	protobuf-c-compiler uthash-dev libinih-dev libxxhash-dev libmicrohttpd-dev
packages_check := $(packages_build) libcmocka-dev clang libclang-rt-14-dev clang-format acl attr fio \
	git iproute2 nftables rsync sqlite3 postgresql stress-ng xfsprogs e2fsprogs jq procps psmisc python3 curl dpkg-dev mandoc bsdextrautils
install_packages = @missing=; for p in $(1); do \
	dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -q '^installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "all packages are there"; fi

# ---- Sources ----
layers  := proto raft store fs mount-helpers
mains   := $(wildcard fs/raftkvd.c mount-helpers/mount.raftkv.c mount-helpers/umount.fuse.raftkv.c \
	mount-helpers/fsck.raftkv.c mount-helpers/raftkv.c)
objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
sources  = $(filter-out $(mains),$(wildcard $(1)/*.c $(1)/*/*.c))
library  = $(BUILD)/lib$(1).a
archives = $(foreach l,$(1),$(if $(call sources,$(l)),$(call library,$(l))))
generated_proto := proto/raftkv.pb-c.c
needs_proto := proto
needs_raft  := raft proto
needs_store := store raft proto
needs_fs    := fs store raft proto
needs_mount-helpers := mount-helpers fs store raft proto
libs_proto  := -luv -luring -lprotobuf-c -lxxhash -lpthread
libs_raft   := $(libs_proto)
libs_store  := -lrocksdb $(libs_raft)
libs_fs     := -lfuse3 -lmicrohttpd -linih $(libs_store)
libs_mount-helpers := $(libs_fs)

# What tests share; a program links only the members it names.
test_library := $(if $(wildcard tests/lib/*.c tests/conform/*.c),$(BUILD)/libtests.a)
fakes        := $(wildcard tests/lib/fake_*.c)
unit_tests   := $(patsubst %.c,$(BUILD)/%,$(wildcard $(foreach l,$(layers),tests/unit/$(l)/test_*.c)))
test_mains   := $(wildcard tests/*/main.c)
test_programs := $(patsubst tests/%/main.c,$(BUILD)/tests/%,$(test_mains))
benches      := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c))
fuzzers      := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
programs     := $(foreach m,$(mains),$(BUILD)/$(notdir $(m:.c=)))
layer_of      = $(or $(strip $(foreach l,$(layers),$(if $(findstring /unit/$(l)/,$(1))$(findstring /$(l)_,$(1)),$(l)))),fs)

.PHONY: all tests torture torture-regions sim bench fuzz lint check unit deps deps-check run demo install uninstall deb clean
.SECONDARY:
all: $(foreach l,$(layers),$(call archives,$(l))) $(programs)
tests: $(unit_tests) $(test_programs) $(benches)
unit: $(unit_tests)

# The schema's code is made first; it has warnings of its own.
schema := $(BUILD)/proto/raftkv.pb-c
$(schema).h $(schema).c &: proto/raftkv.proto
	$(call say,PB)
	@mkdir -p $(@D)
	$(quiet)protoc-c --c_out=$(BUILD) $<
$(BUILD)/obj/proto/raftkv.pb-c.o: $(schema).c
	$(call say,CC)
	@mkdir -p $(@D)
	$(quiet)$(compile) -Wno-conversion -o $@ $<
$(BUILD)/obj/%.o: %.c | $(schema).h
	$(call say,CC)
	@mkdir -p $(@D)
	$(quiet)$(compile) -o $@ $<
define library_rule
$(call library,$(1)): $(call objects,$(call sources,$(1)) $(generated_$(1)))
	$$(call say,AR)
	$$(quiet)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(layers),$(eval $(call library_rule,$(l))))

$(BUILD)/libtests.a: $(call objects,$(filter-out $(fakes),$(wildcard tests/lib/*.c tests/conform/*.c))) Makefile
	$(call say,AR)
	$(quiet)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(BUILD)/libfakes.a: $(call objects,$(fakes))
	$(call say,AR)
	$(quiet)rm -f $@ && ar rcs $@ $^

# Tests that name a fake, which stands in for a layer's own: for them, what tests share and the fakes come first.
with_fakes := $(call objects,$(shell grep -lE 'tests/lib/(fake_|sim_client)' tests/unit/*/*.c))
fakes_first = $(if $(filter $(with_fakes),$(2)),$(test_library) $(BUILD)/libfakes.a)

# $(1) target, $(2) objects, $(3) the highest layer it uses, $(4) more libraries
define program_rule
$(1): $(2) $(call archives,$(needs_$(3))) $(if $(filter $(BUILD)/tests/%,$(1)),$(test_library)) $(fakes_first)
	$$(call say,LD)
	@mkdir -p $$(@D)
	$$(quiet)$$(link) -o $$@ $(2) -Wl,--start-group $(fakes_first) $(call archives,$(needs_$(3))) \
		$(if $(filter $(BUILD)/tests/%,$(1)),$(test_library)) -Wl,--end-group $(4) $(libs_$(3))
endef
$(foreach t,$(unit_tests),$(eval $(call program_rule,$(t),$(call objects,$(t:$(BUILD)/%=%.c)),$(call layer_of,$(t)),-lcmocka)))
$(foreach t,$(benches),$(eval $(call program_rule,$(t),$(call objects,$(t:$(BUILD)/%=%.c)),$(call layer_of,$(t)),)))
$(foreach t,$(test_programs),$(eval $(call program_rule,$(t),$(call objects,$(wildcard $(t:$(BUILD)/%=%)/*.c)),$(call layer_of,$(t)),-lcmocka)))
$(foreach m,$(mains),$(eval $(call program_rule,$(BUILD)/$(notdir $(m:.c=)),$(call objects,$(m)),mount-helpers,)))

# Fuzz targets have objects of their own: libFuzzer instruments every layer it reaches.
fuzz_cc := clang -std=c17 -D_GNU_SOURCE -I. -I$(BUILD) -O1 -g -fno-sanitize-recover=all
$(BUILD)/fuzz/proto/raftkv.pb-c.o: $(schema).c
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(quiet)$(fuzz_cc) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/%.o: %.c | $(schema).h
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(quiet)$(fuzz_cc) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
$(BUILD)/libfuzz.a: $(patsubst %.c,$(BUILD)/fuzz/%.o,$(foreach l,$(layers),$(call sources,$(l)) $(generated_$(l))))
	$(call say,AR)
	$(quiet)rm -f $@ && ar rcs $@ $^
$(BUILD)/libfuzz-tests.a: $(patsubst %.c,$(BUILD)/fuzz/%.o,$(filter-out tests/lib/test.c,$(wildcard tests/lib/*.c)))
	$(call say,AR)
	$(quiet)rm -f $@ && ar rcs $@ $^
# The tests' library stands first, as in other tests: its fakes take the place of a layer's own.
$(BUILD)/tests/fuzz/%: $(BUILD)/fuzz/tests/fuzz/%.o $(BUILD)/libfuzz-tests.a $(BUILD)/libfuzz.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(quiet)$(fuzz_cc) -fsanitize=fuzzer,address,undefined -o $@ $< \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(libs_mount-helpers)

# ---- What people call ----
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
deps:
	$(call install_packages,$(packages_build))
deps-check:
	$(call install_packages,$(packages_check))
check: deps-check
	$(quiet)$(MAKE) -s $(jobs) all tests $(fuzzers)
	$(quiet)$(MAKE) -s $(jobs) SAN=1 BUILD=build-san unit
	$(quiet)BUILD="$(BUILD) build-san" tests/run.sh
run: deps
	$(quiet)$(MAKE) -s $(jobs) all
	$(quiet)mount-helpers/run.sh $(BUILD) $(VOLUME) $(MNT)
cluster: deps
	$(quiet)$(MAKE) -s $(jobs) all
	$(quiet)mount-helpers/cluster.sh start $(BUILD) $(CLUSTER) $(MNT) $(STORES)
cluster-stop:
	$(quiet)mount-helpers/cluster.sh stop $(BUILD) $(CLUSTER) $(MNT)
demo: all
	$(quiet)mount-helpers/demo.sh $(BUILD)
sbin_programs := mount.raftkv umount.fuse.raftkv fsck.raftkv raftkvd
units         := $(wildcard mount-helpers/systemd/*@.service)
sbin_links    := mount.fuse.raftkv:mount.raftkv umount.raftkv:umount.fuse.raftkv fsck.fuse.raftkv:fsck.raftkv
manuals       := $(wildcard man/*.[1-8])
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(foreach m,$(manuals),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m))))
	install -m 755 $(sbin_programs:%=$(BUILD)/%) $(DESTDIR)$(SBINDIR)
	install -m 755 $(BUILD)/raftkv $(DESTDIR)$(BINDIR)
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) $(units)
	$(quiet)for l in $(sbin_links); do ln -sf $${l#*:} $(DESTDIR)$(SBINDIR)/$${l%:*}; done
	$(quiet)for m in $(manuals); do install -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}; done
uninstall:
	rm -f $(sbin_programs:%=$(DESTDIR)$(SBINDIR)/%) $(foreach l,$(sbin_links),$(DESTDIR)$(SBINDIR)/$(firstword $(subst :, ,$(l)))) \
		$(DESTDIR)$(BINDIR)/raftkv $(patsubst mount-helpers/systemd/%,$(DESTDIR)$(UNITDIR)/%,$(units)) $(foreach m,$(manuals),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
deb: all
	$(call install_packages,dpkg-dev)
	$(quiet)mount-helpers/deb.sh $(BUILD) $(BUILD)
torture: deps-check
	$(quiet)$(MAKE) -s $(jobs) all tests
	$(quiet)for case in tests/cases/fs_differential.sh tests/cases/fs_fsx.sh tests/cases/fs_kill9.sh tests/cases/fs_bigdir.sh tests/cases/fs_posix.sh \
		tests/cases/fs_memory.sh tests/cases/fs_postgres.sh tests/cases/fs_stress_ng.sh; do \
		echo "# $${case##*/}"; BUILD="$(BUILD)" RAFTKV_TORTURE=$(MINUTES) RAFTKV_KILLS=100 RAFTKV_ENTRIES=200000 RAFTKV_SEED=$$$$ bash $$case || exit 1; done
torture-regions: deps-check
	$(quiet)$(MAKE) -s $(jobs) all
	$(quiet)BUILD="$(BUILD)" bash tests/torture/regions.sh
sim: $(BUILD)/tests/sim
	$(quiet)$< --seed $(SEED) --seeds $(SEEDS)
bench: $(benches)
	$(quiet)for b in $^; do echo "# $${b##*/}"; $$b || exit 1; done
fuzz: $(fuzzers)
	$(quiet)for f in $^; do echo "# $${f##*/}"; tests/fuzz/run.sh $$f $(FUZZ_SECONDS) || exit 1; done
lint:
	$(quiet)tests/tidy.sh
clean:
	rm -rf build build-san build-tsan build-plant build-fuzz

-include $(shell test -d $(BUILD) && find $(BUILD) -name '*.d')
