// SPDX-License-Identifier: MIT
// Modules: parts of ring 0 that not everybody needs. A module is whole files, chosen when the hypervisor is built
// (MODULES=, names in hypervisor/modules.mk); nothing of the core names one. The core defines a kind of part, a
// structure of functions, and looks in the table of that kind, which the linker makes of what modules put there
// (link.ld has the tables). Without a module its table is empty.
#pragma once

// In a module: `object`, a const struct of this kind, is there.
#define MODULE_PART(kind, object)                                                                  \
    static const struct kind *const module_##kind                                                  \
        __attribute__((section("modules_" #kind), used)) = &(object)

// In the core, behind the structure: the table of this kind.
#define MODULE_KIND(kind)                                                                          \
    extern const struct kind *const __start_modules_##kind[] __attribute__((weak));                \
    extern const struct kind *const __stop_modules_##kind[] __attribute__((weak))

// The one part of a kind of which a build has at most one; NULL without.
#define module_only(kind)                                                                          \
    (&__start_modules_##kind[0] < &__stop_modules_##kind[0] ? *__start_modules_##kind : NULL)

// `part` goes through the table: for_each_part (kind, part) use((*part)->...).
#define for_each_part(kind, part)                                                                  \
    for (const struct kind *const *part = &__start_modules_##kind[0];                              \
         part < &__stop_modules_##kind[0]; part++)
