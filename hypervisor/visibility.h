// SPDX-License-Identifier: MIT
// Included before every source of the hypervisor by the compiler's options: what is declared extern
// lies in the same image, so its address is taken directly and not from a table of addresses.
// (-fvisibility=hidden says that of definitions only.)
#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif
