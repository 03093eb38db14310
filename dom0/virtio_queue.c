// SPDX-License-Identifier: MIT
/*
 * Split virtqueues (virtio 1.1, section 2.6).
 *
 * Descriptor table in one page, available and used ring in a second: each is contiguous in the
 * machine without asking the hypervisor for anything. Free descriptors are a list through `next`.
 * The device is trusted with our memory (it has DMA) but not with our control flow: indices from
 * the used ring are checked, and a device that breaks the rules is stopped.
 */
#include "dom0/virtio_queue.h"

#include <string.h>

#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"

#define DESC_NEXT 1U
#define DESC_WRITE 2U
#define DESC_INDIRECT 4U
#define AVAIL_NO_INTERRUPT 1U /* 0 with event indices */
#define USED_NO_NOTIFY 1U
#define NO_VECTOR 0xffffU

struct virtio_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct virtio_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[]; /* then one more: used_event */
};

struct virtio_used_element {
    uint32_t id;
    uint32_t len;
};

struct virtio_used {
    uint16_t flags;
    uint16_t idx;
    struct virtio_used_element ring[]; /* then 16 bits more: avail_event */
};

#define DESC_PER_PAGE (PAGE_SIZE / sizeof(struct virtio_desc))

_Static_assert(VIRTIO_QUEUE_SIZE_MAX <= DESC_PER_PAGE, "the descriptor table fits into a page");

static uint16_t *used_event(struct virtio_queue *queue)
{
    return &queue->avail->ring[queue->size];
}

static uint16_t *avail_event(struct virtio_queue *queue)
{
    return (uint16_t *)&queue->used->ring[queue->size];
}

static bool event_index(const struct virtio_queue *queue)
{
    return (queue->device->features & VIRTIO_F_EVENT_IDX) != 0;
}

static int queue_alloc(struct virtio_queue *queue)
{
    queue->desc = page_alloc(0);
    queue->avail = page_alloc(0);
    if (queue->desc == NULL || queue->avail == NULL) {
        virtio_queue_free(queue);
        return -XEN_ENOMEM;
    }
    size_t avail_size = sizeof(struct virtio_avail) + (queue->size + 1U) * sizeof(uint16_t);
    queue->used = (struct virtio_used *)((char *)queue->avail + ((avail_size + 3) & ~3UL));
    for (unsigned int i = 0; i < queue->size; i++) {
        queue->desc[i].next = (uint16_t)(i + 1);
    }
    queue->free_count = queue->size;
    return 0;
}

void virtio_queue_free(struct virtio_queue *queue)
{
    page_free(queue->desc, 0);
    page_free(queue->avail, 0);
    if (queue->indirect_max != 0) {
        unsigned int per_page = DESC_PER_PAGE / queue->indirect_max;
        for (unsigned int i = 0; i < queue->size; i += per_page) {
            page_free(queue->indirect[i], 0);
        }
    }
    memset(queue, 0, sizeof(*queue));
}

static void common_write64(struct virtio_device *device, unsigned int offset, uint64_t value)
{
    common_write32(device, offset, (uint32_t)value);
    common_write32(device, offset + 4, (uint32_t)(value >> 32));
}

int virtio_queue_init(struct virtio_device *device, struct virtio_queue *queue, uint16_t index,
                      uint16_t size_limit)
{
    memset(queue, 0, sizeof(*queue));
    queue->device = device;
    queue->index = index;
    if (index >= common_read16(device, COMMON_QUEUE_COUNT)) {
        return -XEN_ENOENT;
    }
    common_write16(device, COMMON_QUEUE_SELECT, index);
    unsigned int limit = common_read16(device, COMMON_QUEUE_SIZE);
    limit = limit < size_limit ? limit : size_limit;
    limit = limit < VIRTIO_QUEUE_SIZE_MAX ? limit : VIRTIO_QUEUE_SIZE_MAX;
    if (limit == 0) {
        return -XEN_ENOENT;
    }
    queue->size = (uint16_t)(1U << (31 - __builtin_clz(limit)));

    uint32_t notify = common_read16(device, COMMON_QUEUE_NOTIFY_OFFSET) * device->notify_multiplier;
    if (notify + 2 > device->notify_length) {
        return -XEN_ENXIO;
    }
    queue->notify = (volatile uint16_t *)(device->notify_base + notify);
    int error = queue_alloc(queue);
    if (error != 0) {
        return error;
    }
    common_write16(device, COMMON_QUEUE_SIZE, queue->size);
    common_write16(device, COMMON_QUEUE_VECTOR, NO_VECTOR);
    common_write64(device, COMMON_QUEUE_DESC, virt_to_maddr(queue->desc));
    common_write64(device, COMMON_QUEUE_AVAIL, virt_to_maddr(queue->avail));
    common_write64(device, COMMON_QUEUE_USED, virt_to_maddr(queue->used));
    queue->next = device->queues;
    device->queues = queue;
    return 0;
}

int virtio_queue_attach(struct virtio_queue *queue, event_handler *handler, void *arg)
{
    struct virtio_device *device = queue->device;
    queue->vector.entry = (uint16_t)(queue->index + 1);
    int error = msix_bind(device->pci, &queue->vector, handler, arg);
    if (error != 0) {
        return error;
    }
    common_write16(device, COMMON_QUEUE_SELECT, queue->index);
    common_write16(device, COMMON_QUEUE_VECTOR, queue->vector.entry);
    /* The device reads back NO_VECTOR when it has no resources for it. */
    return common_read16(device, COMMON_QUEUE_VECTOR) == queue->vector.entry ? 0 : -XEN_ENOSPC;
}

int virtio_queue_use_indirect(struct virtio_queue *queue, unsigned int chain_max)
{
    if ((queue->device->features & VIRTIO_F_INDIRECT_DESC) == 0) {
        return 0;
    }
    if (chain_max < 2 || chain_max > DESC_PER_PAGE) {
        return -XEN_EINVAL;
    }
    queue->indirect_max = chain_max;
    unsigned int per_page = DESC_PER_PAGE / chain_max;
    for (unsigned int i = 0; i < queue->size; i++) {
        if (i % per_page == 0) {
            queue->indirect[i] = page_alloc_dirty(0);
            if (queue->indirect[i] == NULL) {
                return -XEN_ENOMEM;
            }
        } else {
            queue->indirect[i] = queue->indirect[i - 1] + chain_max;
        }
    }
    return 0;
}

static void desc_fill(struct virtio_desc *desc, const struct virtio_buffer *buffer, bool write,
                      bool more)
{
    desc->addr = buffer->maddr;
    desc->len = buffer->length;
    desc->flags = (uint16_t)((write ? DESC_WRITE : 0) | (more ? DESC_NEXT : 0));
}

/* Fills descriptors of the queue itself; gives back the new head of the free list. */
static uint16_t chain_fill(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                           unsigned int out, unsigned int total)
{
    uint16_t at = queue->free_head;
    for (unsigned int i = 0; i < total; i++) {
        desc_fill(&queue->desc[at], &buffers[i], i >= out, i + 1 < total);
        at = queue->desc[at].next;
    }
    return at;
}

static uint16_t chain_fill_indirect(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                                    unsigned int out, unsigned int total)
{
    uint16_t head = queue->free_head;
    struct virtio_desc *table = queue->indirect[head];
    for (unsigned int i = 0; i < total; i++) {
        desc_fill(&table[i], &buffers[i], i >= out, i + 1 < total);
        table[i].next = (uint16_t)(i + 1);
    }
    queue->desc[head].addr = virt_to_maddr(table);
    queue->desc[head].len = (uint32_t)(total * sizeof(*table));
    queue->desc[head].flags = DESC_INDIRECT;
    return queue->desc[head].next;
}

int virtio_queue_add(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                     unsigned int out, unsigned int in, void *cookie)
{
    unsigned int total = out + in;
    bool indirect = total > 1 && total <= queue->indirect_max;
    unsigned int needed = indirect ? 1 : total;
    if (queue->device->broken || total == 0) {
        return -XEN_EIO;
    }
    if (needed > queue->free_count) {
        return -XEN_ENOSPC;
    }
    uint16_t head = queue->free_head;
    queue->free_head = indirect ? chain_fill_indirect(queue, buffers, out, total)
                                : chain_fill(queue, buffers, out, total);
    queue->free_count = (uint16_t)(queue->free_count - needed);
    queue->chain_length[head] = (uint16_t)needed;
    queue->cookies[head] = cookie;
    queue->avail->ring[queue->avail_next & (queue->size - 1U)] = head;
    queue->avail_next++;
    return 0;
}

void virtio_queue_kick(struct virtio_queue *queue)
{
    if (queue->kicked == queue->avail_next || queue->device->broken) {
        return;
    }
    /* Descriptors and ring entries first: the device reads them after the index. */
    __atomic_store_n(&queue->avail->idx, queue->avail_next, __ATOMIC_RELEASE);
    /* The index before the look at whether the device wants to hear of it; the device does it the
     * other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    bool wanted;
    if (event_index(queue)) {
        uint16_t event = __atomic_load_n(avail_event(queue), __ATOMIC_RELAXED);
        wanted = (uint16_t)(queue->avail_next - event - 1) <
                 (uint16_t)(queue->avail_next - queue->kicked);
    } else {
        wanted = (__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY) == 0;
    }
    queue->kicked = queue->avail_next;
    if (wanted) {
        *queue->notify = queue->index;
    }
}

static void queue_break(struct virtio_queue *queue, const char *why)
{
    queue->device->broken = true;
    console_printf("virtio: %s: queue %u: %s; device stopped\n", pci_name(queue->device->pci),
                   queue->index, why);
}

/* Gives the descriptors of a finished chain back to the free list. */
static void chain_free(struct virtio_queue *queue, uint16_t head)
{
    uint16_t tail = head;
    for (unsigned int i = 1; i < queue->chain_length[head]; i++) {
        tail = queue->desc[tail].next;
    }
    queue->desc[tail].next = queue->free_head;
    queue->free_head = head;
    queue->free_count = (uint16_t)(queue->free_count + queue->chain_length[head]);
    queue->chain_length[head] = 0;
}

void *virtio_queue_get(struct virtio_queue *queue, uint32_t *written)
{
    /* Pairs with the device's order: element, then index. */
    uint16_t idx = __atomic_load_n(&queue->used->idx, __ATOMIC_ACQUIRE);
    if (idx == queue->used_next || queue->device->broken) {
        return NULL;
    }
    if ((uint16_t)(idx - queue->used_next) > queue->size) {
        queue_break(queue, "used index out of range");
        return NULL;
    }
    volatile struct virtio_used_element *element =
        &queue->used->ring[queue->used_next & (queue->size - 1U)];
    uint32_t head = element->id;
    uint32_t length = element->len;
    if (head >= queue->size || queue->chain_length[head] == 0) {
        queue_break(queue, "answer to a chain that was not given");
        return NULL;
    }
    queue->used_next++;
    chain_free(queue, (uint16_t)head);
    if (event_index(queue) && !queue->quiet) {
        __atomic_store_n(used_event(queue), queue->used_next, __ATOMIC_RELAXED);
    }
    if (written != NULL) {
        *written = length;
    }
    return queue->cookies[head];
}

void virtio_queue_interrupt_disable(struct virtio_queue *queue)
{
    queue->quiet = true;
    if (event_index(queue)) {
        /* The device interrupts when it passes this index: the one before next is farthest. */
        __atomic_store_n(used_event(queue), (uint16_t)(queue->used_next - 1), __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&queue->avail->flags, AVAIL_NO_INTERRUPT, __ATOMIC_RELAXED);
    }
}

bool virtio_queue_interrupt_enable(struct virtio_queue *queue)
{
    queue->quiet = false;
    if (event_index(queue)) {
        __atomic_store_n(used_event(queue), queue->used_next, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&queue->avail->flags, 0, __ATOMIC_RELAXED);
    }
    /* Our wish before the look: an answer after the look raises an interrupt. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&queue->used->idx, __ATOMIC_ACQUIRE) != queue->used_next;
}
