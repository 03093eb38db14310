# SPDX-License-Identifier: MIT
# What comes from outside: fetched with apt, checked against versions.mk, built once below build/.
# Every product has a stamp that carries its version, so a new version is a new build and nothing else is.
#
#   build/inc/xen                        Xen's public headers (a link to libxen-dev's)
#   build/xen/xen.gz                     Debian's Xen, unpacked and never installed
#   build/third_party/newlib/            include/ lib/libc.a lib/libm.a
#   build/third_party/lwip/              src/ as it comes, liblwip.a built with pvguest/lwip's port
#   build/third_party/cunit/             include/ libcunit.a for guests

include third_party/versions.mk

TP          := $(B)/third_party
FETCH       := $(abspath third_party/apt.sh)
NEWLIB      := $(TP)/newlib
LWIP        := $(TP)/lwip
CUNIT       := $(TP)/cunit
NEWLIB_DONE := $(TP)/stamps/newlib-$(NEWLIB_DEB)
LWIP_DONE   := $(TP)/stamps/lwip-$(LWIP_VERSION)
CUNIT_DONE  := $(TP)/stamps/cunit-$(CUNIT_VERSION)
XEN_DONE    := $(B)/xen/stamp-$(XEN_DEB)
XEN_GZ      := $(B)/xen/xen.gz

# $(call fetch,folder,deb|source,package,file pattern,sha256)
define fetch
mkdir -p $1 && cd $1 && rm -f $4 && $(FETCH) $2 $3 >fetch.log 2>&1 \
	|| { cat fetch.log; echo "cannot fetch $3: see third_party/README.md"; exit 1; } >&2; \
echo "$5 " $$(ls $4) | sha256sum -c --quiet - >&2
endef

$(B)/inc/xen: | $(B)/packages.ok
	@mkdir -p $(@D) && ln -sfn /usr/include/xen $@

.PHONY: third_party
third_party: $(NEWLIB_DONE) $(LWIP_DONE) $(CUNIT_DONE) $(XEN_DONE)

# newlib ------------------------------------------------------------------------------------------
NEWLIB_CFLAGS := -O2 -g -ffreestanding $(GUEST_CODEGEN) -w
NEWLIB_CONFIGURE := --host=x86_64-elf --build=x86_64-linux-gnu --with-newlib --disable-multilib \
	--disable-shared --disable-newlib-supplied-syscalls --enable-newlib-io-long-long \
	--enable-newlib-io-c99-formats --enable-newlib-retargetable-locking --enable-lite-exit \
	--enable-newlib-global-atexit --prefix=/ MAKEINFO=true AR=ar AS=as RANLIB=ranlib NM=nm \
	STRIP=strip READELF=readelf CC="gcc -nostdinc -isystem $(GCC_INCLUDE)" \
	CFLAGS="$(NEWLIB_CFLAGS)" CCASFLAGS="$(NEWLIB_CFLAGS)"

$(NEWLIB_DONE): | $(B)/packages.ok
	@echo "  GET newlib $(NEWLIB_VERSION)"
	@$(call fetch,$(TP)/get/newlib,deb,$(NEWLIB_PACKAGE)=$(NEWLIB_DEB),newlib-source_*.deb,$(NEWLIB_SHA256))
	@cd $(TP)/get/newlib && dpkg-deb -x newlib-source_*.deb . && mkdir -p src && \
		tar xf usr/src/newlib/newlib-$(NEWLIB_VERSION).tar.xz -C src --strip-components=1
	@echo "  LIB newlib (half a minute, once)"
	@rm -rf $(TP)/get/newlib/obj $(NEWLIB) && mkdir -p $(TP)/get/newlib/obj $(NEWLIB) $(@D)
	@cd $(TP)/get/newlib/obj && { ../src/newlib/configure $(NEWLIB_CONFIGURE) && \
		$(MAKE) -j$(JOBS) && $(MAKE) DESTDIR=$(abspath $(TP))/get/newlib/out install; } \
		>build.log 2>&1 </dev/null || { tail -30 build.log >&2; exit 1; }
	@cp -r $(TP)/get/newlib/out/x86_64-elf/include $(TP)/get/newlib/out/x86_64-elf/lib $(NEWLIB)/
	@rm -rf $(TP)/get/newlib && touch $@

# lwIP: the sources here, the objects once pvguest's port (lwipopts.h, arch/cc.h) is there -------------
LWIP_PORT  := pvguest/lwip
# The application files that are built besides core, IPv4, IPv6 and Ethernet.
LWIP_APPS  := apps/http/httpd.c apps/http/fs.c
LWIP_LIB   := $(if $(wildcard $(LWIP_PORT)/lwipopts.h),$(LWIP)/liblwip.a)
LWIP_PARTS := core/*.c core/ipv4/*.c core/ipv6/*.c netif/ethernet.c $(LWIP_APPS)

$(LWIP_DONE): | $(B)/packages.ok
	@echo "  GET lwIP $(LWIP_VERSION)"
	@$(call fetch,$(TP)/get/lwip,source,lwip,lwip_*.orig.tar.xz,$(LWIP_SHA256))
	@rm -rf $(LWIP) && mkdir -p $(LWIP) $(@D)
	@tar xf $(TP)/get/lwip/$(LWIP_TARBALL) -C $(LWIP) --strip-components=1 && rm -rf $(TP)/get/lwip
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
	@echo "  GET CUnit $(CUNIT_VERSION)"
	@$(call fetch,$(TP)/get/cunit,source,cunit,cunit_*.orig.tar.*,$(CUNIT_SHA256))
	@rm -rf $(CUNIT) && mkdir -p $(CUNIT)/include $(CUNIT)/obj $(@D)
	@cd $(TP)/get/cunit && tar xf $(CUNIT_TARBALL) --strip-components=1
	@echo "  LIB CUnit"
	@for part in $(CUNIT_PARTS); do \
		gcc $(GUEST_CODEGEN) -O2 -g -nostdinc -isystem $(NEWLIB)/include -isystem $(GCC_INCLUDE) \
		-DVERSION='"$(CUNIT_VERSION)"' -I$(TP)/get/cunit/CUnit/Headers -w \
		-c $(TP)/get/cunit/CUnit/Sources/$$part -o $(CUNIT)/obj/$$(basename $$part .c).o || exit 1; \
	done
	@cp -r $(TP)/get/cunit/CUnit/Headers $(CUNIT)/include/CUnit
	@ar rcs $(CUNIT)/libcunit.a $(CUNIT)/obj/*.o && rm -rf $(TP)/get/cunit && touch $@

# Debian's Xen, a test subject ------------------------------------------------------------------------
$(XEN_DONE): | $(B)/packages.ok
	@echo "  GET Xen $(XEN_DEB)"
	@$(call fetch,$(B)/xen/get,deb,$(XEN_PACKAGE)=$(XEN_DEB),$(XEN_PACKAGE)_*.deb,$(XEN_SHA256))
	@cd $(B)/xen/get && dpkg-deb -x $(XEN_PACKAGE)_*.deb . && cp boot/xen-4.17-amd64.gz ../xen.gz
	@rm -rf $(B)/xen/get && touch $@

$(XEN_GZ): $(XEN_DONE) ;
