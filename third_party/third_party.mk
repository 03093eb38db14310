# SPDX-License-Identifier: MIT
# What comes from outside: fetched with apt, whose signatures are the check, and built once below build/.
# The versions are those that Debian has now. Every product has a stamp that carries its version, so a new
# version is a new build and nothing else is.
#
#   build/inc/xen                        Xen's public headers (a link to libxen-dev's)
#   build/gen/xen_release.h              which Xen they belong to
#   build/xen/xen.gz                     Debian's Xen of that release, unpacked and never installed
#   build/third_party/newlib/            include/ lib/libc.a lib/libm.a
#   build/third_party/lwip/              src/ as it comes, liblwip.a built with pvguest/lwip's port
#   build/third_party/cunit/             include/ libcunit.a for guests
#   build/third_party/zlib/              include/ libz.a for dom0, the unpacking half

# The headers decide the release: 4.17 on Debian 12, 4.20 on Debian 13.
LIBXEN_DEV  := $(shell dpkg-query -W -f='$${Version}' libxen-dev 2>/dev/null)
XEN_RELEASE := $(subst $() ,.,$(wordlist 1,2,$(subst ., ,$(LIBXEN_DEV))))
XEN_PACKAGE := xen-hypervisor-$(XEN_RELEASE)-amd64
RELEASE_H   := $(B)/gen/xen_release.h

TP          := $(B)/third_party
FETCH       := $(abspath third_party/apt.sh)

# What Debian has now, asked once for each state of the machine; not asked by targets that fetch nothing.
VERSIONS := $(TP)/versions-$(LIBXEN_DEV).mk
OFFLINE  := help run clean distclean format docs unit hypervisor size test-other-debian
ifneq ($(filter-out $(OFFLINE),$(or $(MAKECMDGOALS),all)),)
include $(VERSIONS)
endif

$(VERSIONS): /etc/debian_version third_party/apt.sh | $(B)/packages.ok
	@mkdir -p $(@D) && rm -f $(@D)/versions-*.mk
	@$(FETCH) versions >$(@D)/versions.txt || { echo "apt's lists cannot be fetched" >&2; exit 1; }
	@sed -n -e 's/^newlib-source /NEWLIB_DEB := /p' -e 's/^lwip /LWIP_DEB := /p' \
		-e 's/^cunit /CUNIT_DEB := /p' -e 's/^zlib /ZLIB_DEB := /p' -e 's/^$(XEN_PACKAGE) /XEN_DEB := /p' $(@D)/versions.txt >$@

NEWLIB      := $(TP)/newlib
LWIP        := $(TP)/lwip
CUNIT       := $(TP)/cunit
ZLIB        := $(TP)/zlib
NEWLIB_DONE := $(TP)/stamps/newlib-$(NEWLIB_DEB)
LWIP_DONE   := $(TP)/stamps/lwip-$(LWIP_DEB)
CUNIT_DONE  := $(TP)/stamps/cunit-$(CUNIT_DEB)
ZLIB_DONE   := $(TP)/stamps/zlib-$(subst :,_,$(ZLIB_DEB))
XEN_DONE    := $(B)/xen/stamp-$(XEN_DEB)
XEN_GZ      := $(B)/xen/xen.gz

# $(call fetch,folder,deb|source,package,file pattern)
define fetch
mkdir -p $1 && cd $1 && rm -f $4 && $(FETCH) $2 $3 >fetch.log 2>&1 && ls $4 >/dev/null && \
	{ grep '^  NOTE ' fetch.log >&2 || :; } \
	|| { cat fetch.log; echo "cannot fetch $3: see third_party/README.md"; exit 1; } >&2
endef

$(B)/inc/xen: | $(B)/packages.ok
	@mkdir -p $(@D) && ln -sfn /usr/include/xen $@

# Written when it changes only, so that a new release of the headers compiles everything anew.
.PHONY: always
$(RELEASE_H): always | $(B)/packages.ok
	@mkdir -p $(@D)
	@printf '// The release of Xen whose headers are in use, by make.\n#pragma once\n\n#define XEN_RELEASE_MAJOR %s\n#define XEN_RELEASE_MINOR %s\n' \
		$(subst ., ,$(XEN_RELEASE)) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

## make proved        names what is newer than what the conformance suite was last proved with
.PHONY: proved
proved:
	@third_party/proved.sh $(TP)/versions.txt

.PHONY: third_party
third_party: $(NEWLIB_DONE) $(LWIP_DONE) $(CUNIT_DONE) $(ZLIB_DONE) $(XEN_DONE)

# newlib ------------------------------------------------------------------------------------------
NEWLIB_CFLAGS := -O2 -g -ffreestanding $(GUEST_CODEGEN) -w
NEWLIB_CONFIGURE := --host=x86_64-elf --build=x86_64-linux-gnu --with-newlib --disable-multilib \
	--disable-shared --disable-newlib-supplied-syscalls --enable-newlib-io-long-long \
	--enable-newlib-io-c99-formats --enable-newlib-retargetable-locking --enable-lite-exit \
	--enable-newlib-global-atexit --prefix=/ MAKEINFO=true AR=ar AS=as RANLIB=ranlib NM=nm \
	STRIP=strip READELF=readelf CC="gcc -nostdinc -isystem $(GCC_INCLUDE)" \
	CFLAGS="$(NEWLIB_CFLAGS)" CCASFLAGS="$(NEWLIB_CFLAGS)"

$(NEWLIB_DONE): | $(B)/packages.ok
	@echo "  GET newlib $(NEWLIB_DEB)"
	@$(call fetch,$(TP)/get/newlib,deb,newlib-source=$(NEWLIB_DEB),newlib-source_*.deb)
	@cd $(TP)/get/newlib && dpkg-deb -x newlib-source_*.deb . && mkdir -p src && \
		tar xf usr/src/newlib/newlib-*.tar.xz -C src --strip-components=1
	@echo "  LIB newlib (half a minute, once)"
	@rm -rf $(TP)/get/newlib/obj $(NEWLIB) && mkdir -p $(TP)/get/newlib/obj $(NEWLIB) $(@D)
	@cd $(TP)/get/newlib/obj && { ../src/newlib/configure $(NEWLIB_CONFIGURE) && \
		$(MAKE) -j$(JOBS) && $(MAKE) DESTDIR=$(abspath $(TP))/get/newlib/out install; } \
		>build.log 2>&1 </dev/null || { tail -30 build.log >&2; exit 1; }
	@cp -r $(TP)/get/newlib/out/x86_64-elf/include $(TP)/get/newlib/out/x86_64-elf/lib $(NEWLIB)/
	@rm -rf $(TP)/get/newlib && touch $@

# lwIP: the sources here, the objects once pvguest's port (lwipopts.h, arch/cc.h) is there -------------
LWIP_PORT  := pvguest/lwip
LWIP_LIB   := $(if $(wildcard $(LWIP_PORT)/lwipopts.h),$(LWIP)/liblwip.a)
LWIP_PARTS := core/*.c core/ipv4/*.c core/ipv6/*.c netif/ethernet.c

$(LWIP_DONE): | $(B)/packages.ok
	@echo "  GET lwIP $(LWIP_DEB)"
	@$(call fetch,$(TP)/get/lwip,source,lwip=$(LWIP_DEB),lwip_*.orig.tar.*)
	@rm -rf $(LWIP) && mkdir -p $(LWIP) $(@D)
	@tar xf $(TP)/get/lwip/lwip_*.orig.tar.?z -C $(LWIP) --strip-components=1 && rm -rf $(TP)/get/lwip
	@touch $@

$(LWIP)/liblwip.a: $(LWIP_DONE) $(NEWLIB_DONE) $(wildcard $(LWIP_PORT)/*.h $(LWIP_PORT)/*/*.h) | $(B)/inc/xen
	@echo "  LIB lwIP"
	@rm -rf $(LWIP)/obj $@ && mkdir -p $(LWIP)/obj
	@cd $(LWIP)/src && ls $(LWIP_PARTS) | xargs -P $(JOBS) -I{} sh -c \
		'gcc $(subst ',,$(call absolute_includes,$(GUEST_CFLAGS_BASE))) -w -c {} \
		-o ../obj/$$(echo {} | tr / _ | sed s/\\.c$$/.o/)'
	@ar rcs $@ $(LWIP)/obj/*.o

# CUnit for guests ----------------------------------------------------------------------------------
CUNIT_PARTS := Framework/CUError.c Framework/MyMem.c Framework/TestDB.c Framework/TestRun.c \
	Framework/Util.c Basic/Basic.c Automated/Automated.c

$(CUNIT_DONE): $(NEWLIB_DONE) | $(B)/packages.ok
	@echo "  GET CUnit $(CUNIT_DEB)"
	@$(call fetch,$(TP)/get/cunit,source,cunit=$(CUNIT_DEB),cunit_*.orig.tar.*)
	@rm -rf $(CUNIT) && mkdir -p $(CUNIT)/include $(CUNIT)/obj $(@D)
	@cd $(TP)/get/cunit && tar xf cunit_*.orig.tar.?z --strip-components=1
	@echo "  LIB CUnit"
	@for part in $(CUNIT_PARTS); do \
		gcc $(GUEST_CODEGEN) -O2 -g -nostdinc -isystem $(NEWLIB)/include -isystem $(GCC_INCLUDE) \
		-DVERSION='"$(CUNIT_DEB)"' -I$(TP)/get/cunit/CUnit/Headers -w \
		-c $(TP)/get/cunit/CUnit/Sources/$$part -o $(CUNIT)/obj/$$(basename $$part .c).o || exit 1; \
	done
	@cp -r $(TP)/get/cunit/CUnit/Headers $(CUNIT)/include/CUnit
	@ar rcs $(CUNIT)/libcunit.a $(CUNIT)/obj/*.o && rm -rf $(TP)/get/cunit && touch $@

# zlib for dom0: what unpacks ------------------------------------------------------------------------
ZLIB_PARTS := adler32.c crc32.c inffast.c inflate.c inftrees.c zutil.c

$(ZLIB_DONE): $(NEWLIB_DONE) | $(B)/packages.ok
	@echo "  GET zlib $(ZLIB_DEB)"
	@$(call fetch,$(TP)/get/zlib,source,zlib=$(ZLIB_DEB),zlib_*.orig.tar.*)
	@rm -rf $(ZLIB) && mkdir -p $(ZLIB)/include $(ZLIB)/obj $(@D)
	@cd $(TP)/get/zlib && tar xf zlib_*.orig.tar.?z* --strip-components=1
	@echo "  LIB zlib"
	@for part in $(ZLIB_PARTS); do \
		gcc $(GUEST_CODEGEN) -O2 -g -nostdinc -isystem $(NEWLIB)/include -isystem $(GCC_INCLUDE) \
		-w -c $(TP)/get/zlib/$$part -o $(ZLIB)/obj/$$part.o || exit 1; \
	done
	@cp $(TP)/get/zlib/zlib.h $(TP)/get/zlib/zconf.h $(ZLIB)/include/
	@ar rcs $(ZLIB)/libz.a $(ZLIB)/obj/*.o && rm -rf $(TP)/get/zlib && touch $@

# Debian's Xen, a test subject ------------------------------------------------------------------------
$(XEN_DONE): | $(B)/packages.ok
	@echo "  GET Xen $(XEN_DEB)"
	@$(call fetch,$(B)/xen/get,deb,$(XEN_PACKAGE)=$(XEN_DEB),$(XEN_PACKAGE)_*.deb)
	@cd $(B)/xen/get && dpkg-deb -x $(XEN_PACKAGE)_*.deb . && cp boot/xen-$(XEN_RELEASE)-amd64.gz ../xen.gz
	@rm -rf $(B)/xen/get && touch $@

$(XEN_GZ): $(XEN_DONE) ;
