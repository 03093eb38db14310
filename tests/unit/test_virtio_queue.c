// SPDX-License-Identifier: MIT
/*
 * Split virtqueues against a played device: it reads the rings as the specification has them, works
 * through chains in any order, and finally answers nonsense.
 */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/virtio_queue.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "tests/report.h"

#define QUEUE_SIZE 64U
#define CHAIN_MAX 34U

/* What the device sees of a queue (virtio 1.1, section 2.6). */
struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
struct avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[QUEUE_SIZE];
    uint16_t used_event;
};
struct used {
    uint16_t flags;
    uint16_t idx;
    struct {
        uint32_t id;
        uint32_t len;
    } ring[QUEUE_SIZE];
    uint16_t avail_event;
};

static uint8_t registers[COMMON_LENGTH];
static uint16_t notify_register;
static struct virtio_device device;
static struct virtio_queue queue;
static struct desc *descs;
static struct avail *avail;
static struct used *used;
static uint16_t device_next; /* chains that the device has taken */

/* The kernel ------------------------------------------------------------------------------------- */
void *page_alloc(unsigned int order)
{
    void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
    memset(page, 0, PAGE_SIZE << order);
    return page;
}

void *page_alloc_dirty(unsigned int order)
{
    return aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
}

void page_free(void *pages, unsigned int order)
{
    (void)order;
    free(pages);
}

uint64_t virt_to_maddr(const void *address)
{
    return (uint64_t)address;
}

void console_printf(const char *format, ...)
{
    (void)format;
}

const char *pci_name(const struct pci_device *pci)
{
    (void)pci;
    return "pci";
}

int msix_bind(struct pci_device *pci, struct msix_vector *vector, event_handler *handler, void *arg)
{
    (void)pci;
    (void)vector;
    (void)handler;
    (void)arg;
    return 0;
}

/* The device -------------------------------------------------------------------------------------- */
static void setup(uint64_t features)
{
    device = (struct virtio_device){.common = registers,
                                    .notify_base = (uint8_t *)&notify_register,
                                    .notify_length = sizeof(notify_register),
                                    .features = features};
    memset(registers, 0, sizeof(registers));
    registers[COMMON_QUEUE_COUNT] = 1;
    registers[COMMON_QUEUE_SIZE] = QUEUE_SIZE;
    notify_register = 0xffff;
    device_next = 0;
    CU_ASSERT_EQUAL_FATAL(virtio_queue_init(&device, &queue, 0, 256), 0);
    CU_ASSERT_EQUAL_FATAL(queue.size, QUEUE_SIZE);
    memcpy(&descs, registers + COMMON_QUEUE_DESC, sizeof(descs));
    memcpy(&avail, registers + COMMON_QUEUE_AVAIL, sizeof(avail));
    memcpy(&used, registers + COMMON_QUEUE_USED, sizeof(used));
    CU_ASSERT_EQUAL((uint64_t)descs % 16, 0);
    CU_ASSERT_EQUAL((uint64_t)used % 4, 0);
    CU_ASSERT_TRUE((char *)used >= (char *)&avail->used_event + 2);
}

static void teardown(void)
{
    virtio_queue_free(&queue);
}

/* The head of the next chain that the driver has published, or -1. */
static int device_take(void)
{
    return device_next == avail->idx ? -1 : avail->ring[device_next++ % QUEUE_SIZE];
}

static void device_finish(uint32_t head, uint32_t written)
{
    used->ring[used->idx % QUEUE_SIZE].id = head;
    used->ring[used->idx % QUEUE_SIZE].len = written;
    used->idx++;
}

/* Walks a chain: number of buffers, sum of lengths of those to read and to write. */
static unsigned int chain_walk(uint32_t head, uint64_t *out, uint64_t *in)
{
    const struct desc *table = descs;
    unsigned int count = 0;
    uint32_t at = head;
    *out = *in = 0;
    if (descs[head].flags & 4) {
        CU_ASSERT_EQUAL(descs[head].len % sizeof(struct desc), 0);
        table = (const struct desc *)descs[head].addr;
        at = 0;
    }
    for (;;) {
        CU_ASSERT_TRUE_FATAL(count++ < CHAIN_MAX);
        *(table[at].flags & 2 ? in : out) += table[at].len;
        if (!(table[at].flags & 1)) {
            return count;
        }
        at = table[at].next;
    }
}

static void buffers_fill(struct virtio_buffer *buffers, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        buffers[i] = (struct virtio_buffer){.maddr = 0x1000 * i, .length = 1U << i % 8};
    }
}

/* Cases -------------------------------------------------------------------------------------------- */
static void one_chain(void)
{
    struct virtio_buffer buffers[3] = {
        {0x1000, 16 },
        {0x2000, 512},
        {0x3000, 1  }
    };
    uint64_t out;
    uint64_t in;
    uint32_t written;
    setup(0);
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, buffers, 1, 2, &buffers), 0);
    CU_ASSERT_EQUAL(device_take(), -1); /* not before the kick */
    CU_ASSERT_EQUAL(queue.free_count, QUEUE_SIZE - 3);
    virtio_queue_kick(&queue);
    CU_ASSERT_EQUAL(notify_register, 0);
    int head = device_take();
    CU_ASSERT_TRUE_FATAL(head >= 0);
    CU_ASSERT_EQUAL(chain_walk((uint32_t)head, &out, &in), 3);
    CU_ASSERT_EQUAL(out, 16);
    CU_ASSERT_EQUAL(in, 513);
    CU_ASSERT_PTR_NULL(virtio_queue_get(&queue, NULL));
    device_finish((uint32_t)head, 513);
    CU_ASSERT_PTR_EQUAL(virtio_queue_get(&queue, &written), &buffers);
    CU_ASSERT_EQUAL(written, 513);
    CU_ASSERT_PTR_NULL(virtio_queue_get(&queue, NULL));
    CU_ASSERT_EQUAL(queue.free_count, QUEUE_SIZE);
    teardown();
}

static void full_queue(void)
{
    struct virtio_buffer buffers[CHAIN_MAX];
    buffers_fill(buffers, CHAIN_MAX);
    setup(0);
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, buffers, 1, 33, buffers), 0);
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, buffers, 1, 30, buffers), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, buffers, 1, 29, buffers), 0);
    CU_ASSERT_EQUAL(queue.free_count, 0);
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, buffers, 1, 0, buffers), -XEN_ENOSPC);
    teardown();
}

/* Chains of all lengths, finished out of order, until every index has wrapped many times. */
static void traffic(uint64_t features)
{
    struct virtio_buffer buffers[CHAIN_MAX];
    int taken[QUEUE_SIZE];
    unsigned int flying = 0;
    uintptr_t given = 0;
    uintptr_t returned = 0;
    srand(3);
    buffers_fill(buffers, CHAIN_MAX);
    setup(features);
    CU_ASSERT_EQUAL(virtio_queue_use_indirect(&queue, CHAIN_MAX), 0);
    while (given < 300000) {
        unsigned int out = 1 + (unsigned int)rand() % 3;
        unsigned int in = (unsigned int)rand() % (CHAIN_MAX - 3);
        if (virtio_queue_add(&queue, buffers, out, in, (void *)(given + 1)) == 0) {
            given++;
        }
        if (rand() % 2) {
            virtio_queue_kick(&queue);
        }
        int head = device_take();
        if (head >= 0) {
            uint64_t read_bytes;
            uint64_t write_bytes;
            chain_walk((uint32_t)head, &read_bytes, &write_bytes);
            CU_ASSERT_TRUE_FATAL(flying < QUEUE_SIZE);
            taken[flying++] = head;
        }
        if (flying != 0 && rand() % 2) {
            unsigned int which = (unsigned int)rand() % flying;
            device_finish((uint32_t)taken[which], 0);
            taken[which] = taken[--flying];
        }
        while (virtio_queue_get(&queue, NULL) != NULL) {
            returned++;
        }
        CU_ASSERT_FALSE_FATAL(device.broken);
        CU_ASSERT_TRUE_FATAL(given - returned <= QUEUE_SIZE);
    }
    teardown();
}

static void traffic_direct(void)
{
    traffic(0);
}

static void traffic_indirect(void)
{
    traffic(VIRTIO_F_INDIRECT_DESC);
}

static void traffic_event_index(void)
{
    traffic(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
}

static void add_one(void)
{
    struct virtio_buffer buffer = {0x1000, 1};
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, &buffer, 1, 0, &queue), 0);
}

/* The device hears of chains when it wants to, and says so in two ways. */
static void notifications(void)
{
    setup(0);
    used->flags = 1;
    add_one();
    virtio_queue_kick(&queue);
    CU_ASSERT_EQUAL(notify_register, 0xffff);
    used->flags = 0;
    virtio_queue_kick(&queue); /* nothing new */
    CU_ASSERT_EQUAL(notify_register, 0xffff);
    add_one();
    virtio_queue_kick(&queue);
    CU_ASSERT_EQUAL(notify_register, 0);
    teardown();

    setup(VIRTIO_F_EVENT_IDX);
    used->avail_event = 2; /* tell me of the third */
    add_one();
    add_one();
    virtio_queue_kick(&queue);
    CU_ASSERT_EQUAL(notify_register, 0xffff);
    add_one();
    virtio_queue_kick(&queue);
    CU_ASSERT_EQUAL(notify_register, 0);
    teardown();
}

static void interrupts(void)
{
    setup(VIRTIO_F_EVENT_IDX);
    CU_ASSERT_EQUAL(avail->used_event, 0); /* wanted at once */
    add_one();
    virtio_queue_kick(&queue);
    virtio_queue_interrupt_disable(&queue);
    CU_ASSERT_EQUAL(avail->used_event, 0xffff);
    CU_ASSERT_EQUAL(avail->flags, 0);
    device_finish((uint32_t)device_take(), 0);
    CU_ASSERT_TRUE(virtio_queue_interrupt_enable(&queue)); /* one waits already */
    CU_ASSERT_PTR_NOT_NULL(virtio_queue_get(&queue, NULL));
    CU_ASSERT_FALSE(virtio_queue_interrupt_enable(&queue));
    CU_ASSERT_EQUAL(avail->used_event, 1);
    teardown();
    setup(0);
    virtio_queue_interrupt_disable(&queue);
    CU_ASSERT_EQUAL(avail->flags, 1);
    CU_ASSERT_FALSE(virtio_queue_interrupt_enable(&queue));
    CU_ASSERT_EQUAL(avail->flags, 0);
    teardown();
}

static void nonsense(uint32_t head, uint16_t idx)
{
    setup(0);
    add_one();
    virtio_queue_kick(&queue);
    used->ring[0].id = head;
    used->idx = idx;
    CU_ASSERT_PTR_NULL(virtio_queue_get(&queue, NULL));
    CU_ASSERT_TRUE(device.broken);
    struct virtio_buffer buffer = {0x1000, 1};
    CU_ASSERT_EQUAL(virtio_queue_add(&queue, &buffer, 1, 0, &queue), -XEN_EIO);
    teardown();
}

static void broken_device(void)
{
    nonsense(QUEUE_SIZE, 1);     /* no such descriptor */
    nonsense(0xffffffffU, 1);    /* the same, far away */
    nonsense(5, 1);              /* a chain that was not given */
    nonsense(0, QUEUE_SIZE + 1); /* more answers than fit */
    nonsense(0, 0x8000);
}

static const struct report_case cases[] = {
    REPORT_CASE(one_chain),        REPORT_CASE(full_queue),          REPORT_CASE(traffic_direct),
    REPORT_CASE(traffic_indirect), REPORT_CASE(traffic_event_index), REPORT_CASE(notifications),
    REPORT_CASE(interrupts),       REPORT_CASE(broken_device),
};

int main(void)
{
    return report_run("virtio_queue", cases, sizeof(cases) / sizeof(cases[0]));
}
