// SPDX-License-Identifier: MIT
/*
 * A plugin for QEMU: instructions of each CPU in a range of addresses.
 *
 * With -icount QEMU runs one CPU at a time, and locks that several CPUs want at once are never seen. This counts where
 * every CPU has a thread of its own. Arguments: from=HEX, to=HEX; out=FILE is kept up to date: for each CPU 8 bytes of count, 56 of nothing.
 * The declarations are those of QEMU's documented plugin interface, version 1.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void qemu_plugin_tb_trans(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void qemu_plugin_tb_exec(unsigned int cpu, void *data);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_tb_trans *call);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                                 qemu_plugin_tb_exec *call, int flags, void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

__attribute__((visibility("default"))) const int qemu_plugin_version = 1;
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

#define CPUS 64

struct cpu {
    uint64_t count;
    uint8_t pad[56]; // a cache line each
};
static struct cpu *cpus;
static uint64_t from, to;

static void executed(unsigned int cpu, void *data)
{
    cpus[cpu % CPUS].count += (uintptr_t)data;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    (void)id;
    if (address >= from && address < to)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, (void *)qemu_plugin_tb_n_insns(tb));
}

static struct cpu *counters_map(const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, CPUS * sizeof(struct cpu)) < 0)
        return MAP_FAILED;
    void *at = mmap(NULL, CPUS * sizeof(struct cpu), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at;
}

__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "from=", 5))
            from = strtoull(argv[i] + 5, NULL, 16);
        else if (!strncmp(argv[i], "to=", 3))
            to = strtoull(argv[i] + 3, NULL, 16);
        else if (!strncmp(argv[i], "out=", 4))
            cpus = counters_map(argv[i] + 4);
    }
    if (!cpus || cpus == MAP_FAILED)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
