#include "hypercalls/call.h"
#include "hypervisor/traps.h"
bool emulate_forced_cpuid(struct cpu_user_regs *r){(void)r;return false;}
bool emulate_privileged(struct cpu_user_regs *r){(void)r;return false;}
void grant_domain_free(struct domain *d){(void)d;}
enum refusal grant_domain_init(struct domain *d,int a,int b){(void)d;(void)a;(void)b;return 0;}
enum refusal grant_release_mappings(struct domain *d,unsigned b){(void)d;(void)b;return 0;}
enum refusal grant_revoke(struct domain *d){(void)d;return 0;}
#define X(n) long hypercall_##n(struct hypercall *c){ return refuse(c,REFUSE_NO_HYPERCALL,0);}
X(grant_table_op) X(memory_op) X(mmu_update) X(mmuext_op) X(update_va_mapping) X(update_va_mapping_otherdomain)
