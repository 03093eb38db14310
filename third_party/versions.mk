# SPDX-License-Identifier: MIT
# What is taken from Debian 12 besides installed packages: versions and SHA-256 of what is unpacked.
# The Xen binary follows Debian's security updates; change version and sum together with libxen-dev.

NEWLIB_PACKAGE := newlib-source
NEWLIB_DEB     := 3.3.0-1.3+deb12u1
NEWLIB_VERSION := 3.3.0
NEWLIB_SHA256  := b9a825a86064e6ffd1f8d1b91a3f7c6a5baf3ab3d246e5ed132ba22c42f6fef1

LWIP_VERSION   := 2.1.3
LWIP_TARBALL   := lwip_2.1.3+dfsg1.orig.tar.xz
LWIP_SHA256    := 0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24

CUNIT_VERSION  := 2.1-3
CUNIT_TARBALL  := cunit_2.1-3-dfsg.orig.tar.gz
CUNIT_SHA256   := 1b90baf4ffe130ddafe1e0fdc359f0ffdfc351dbf8e7a6831e5b0e57b5e23bfa

XEN_PACKAGE    := xen-hypervisor-4.17-amd64
XEN_DEB        := 4.17.7+13-g2445b30a44-0+deb12u1
XEN_SHA256     := fc074298a677325306662eea382cc4503339b8e1f4db54b24702b0b07cf6741d
