// SPDX-License-Identifier: MIT
/*
 * See http_files.h. A file that is being sent has two chunks: one is handed to the server while the
 * thread fills the other. A chunk belongs to the thread while `filling`, to the server otherwise. If
 * the server closes a file during a read, the thread frees it afterwards.
 */
#include "pvguest/http_files.h"

#include <stdlib.h>
#include <string.h>

#include "lwip/apps/fs.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include <xen/errno.h>

#define CHUNK_ORDER 4U /* 64 KiB */
#define CHUNK (PAGE_SIZE << CHUNK_ORDER)
#define PATH_MAX_LENGTH 255U
#define DEPTH_MAX 8U /* as ISO 9660 itself */

/* lwIP's hooks; it declares them in its own source file only. */
int fs_open_custom(struct fs_file *file, const char *name);
void fs_close_custom(struct fs_file *file);
u8_t fs_canread_custom(struct fs_file *file);
u8_t fs_wait_read_custom(struct fs_file *file, fs_wait_cb callback, void *arg);
int fs_read_async_custom(struct fs_file *file, char *buffer, int count, fs_wait_cb callback,
                         void *arg);

struct page {
    const char *path;
    http_page *make;
    struct page *next;
};

struct entry {
    char *path;
    const struct iso9660_volume *volume;
    struct iso9660_file file;
    struct entry *next;
};

struct chunk {
    uint8_t *data;
    uint32_t length, used;
    bool filling, ready;
};

struct sending {
    const struct entry *entry;
    uint64_t offset; /* of the next chunk to be read */
    struct chunk chunks[2];
    unsigned int current; /* the chunk handed out next */
    bool failed, closed;
    fs_wait_cb callback;
    void *callback_arg;
    struct sending *next; /* list of those with work for the thread */
    bool is_queued;
};

static struct page *pages;
static struct entry *entries;
static struct sending *queue, **queue_end = &queue;
static struct wait_queue queue_wait;
static bool thread_started;

/* Reading ahead ------------------------------------------------------------------------------------- */
static void queue_add(struct sending *s)
{
    if (!s->is_queued) {
        s->is_queued = true;
        s->next = NULL;
        *queue_end = s;
        queue_end = &s->next;
        wake_up(&queue_wait);
    }
}

static void sending_free(struct sending *s)
{
    page_free(s->chunks[0].data, CHUNK_ORDER);
    page_free(s->chunks[1].data, CHUNK_ORDER);
    free(s);
}

/* The chunk to be filled next: the current one if it is empty, else the other one. */
static struct chunk *chunk_to_fill(struct sending *s)
{
    for (unsigned int i = 0; i < 2; i++) {
        struct chunk *c = &s->chunks[(s->current + i) % 2];
        if (!c->ready) {
            return s->offset < s->entry->file.size && !s->failed ? c : NULL;
        }
    }
    return NULL;
}

static void sending_fill(struct sending *s)
{
    struct chunk *c;

    while (!s->closed && (c = chunk_to_fill(s)) != NULL) {
        c->filling = true;
        long n = iso9660_read(s->entry->volume, &s->entry->file, s->offset, c->data, CHUNK);
        c->filling = false;
        if (n <= 0) {
            s->failed = true;
        } else {
            c->length = (uint32_t)n;
            c->used = 0;
            c->ready = true;
            s->offset += (uint64_t)n;
        }
        if (!s->closed && s->callback != NULL) {
            fs_wait_cb callback = s->callback;
            s->callback = NULL;
            callback(s->callback_arg); /* may close the file */
        }
    }
}

static void read_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&queue_wait, queue != NULL);
        struct sending *s = queue;
        queue = s->next;
        if (queue == NULL) {
            queue_end = &queue;
        }
        sending_fill(s); /* is_queued stays set: a close leaves the freeing to us */
        s->is_queued = false;
        if (s->closed) {
            sending_free(s);
        } else if (chunk_to_fill(s) != NULL) {
            queue_add(s);
        }
    }
}

static struct sending *sending_open(const struct entry *entry)
{
    struct sending *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->entry = entry;
    s->chunks[0].data = page_alloc_dirty(CHUNK_ORDER);
    s->chunks[1].data = page_alloc_dirty(CHUNK_ORDER);
    if (s->chunks[0].data == NULL || s->chunks[1].data == NULL) {
        sending_free(s);
        return NULL;
    }
    queue_add(s);
    return s;
}

/* lwIP's hooks -------------------------------------------------------------------------------------- */
static int open_page(struct fs_file *file, const struct page *page)
{
    char *text = page->make(page->path);

    if (text == NULL) {
        return 0;
    }
    file->data = text;
    file->len = (int)strlen(text);
    file->index = file->len; /* all of it is in memory */
    file->flags = FS_FILE_FLAGS_HEADER_PERSISTENT;
    return 1;
}

int fs_open_custom(struct fs_file *file, const char *name)
{
    memset(file, 0, sizeof(*file));
    for (const struct page *p = pages; p != NULL; p = p->next) {
        if (strcmp(p->path, name) == 0) {
            return open_page(file, p);
        }
    }
    for (const struct entry *e = entries; e != NULL; e = e->next) {
        if (strcmp(e->path, name) != 0) {
            continue;
        }
        file->pextension = sending_open(e);
        file->len = (int)e->file.size;
        file->flags = FS_FILE_FLAGS_HEADER_PERSISTENT;
        return file->pextension != NULL;
    }
    return 0;
}

void fs_close_custom(struct fs_file *file)
{
    struct sending *s = file->pextension;

    if (s == NULL) {
        free((void *)(uintptr_t)file->data);
        return;
    }
    s->closed = true;
    if (!s->is_queued) {
        sending_free(s);
    }
}

u8_t fs_canread_custom(struct fs_file *file)
{
    const struct sending *s = file->pextension;

    return s == NULL || s->failed || s->chunks[s->current].ready || file->index >= file->len;
}

/* 1: the callback will come. */
u8_t fs_wait_read_custom(struct fs_file *file, fs_wait_cb callback, void *arg)
{
    struct sending *s = file->pextension;

    s->callback = callback;
    s->callback_arg = arg;
    queue_add(s);
    return 1;
}

int fs_read_async_custom(struct fs_file *file, char *buffer, int count, fs_wait_cb callback,
                         void *arg)
{
    struct sending *s = file->pextension;

    if (s == NULL || s->failed || file->index >= file->len) {
        return FS_READ_EOF;
    }
    struct chunk *c = &s->chunks[s->current];
    if (!c->ready) {
        fs_wait_read_custom(file, callback, arg);
        return FS_READ_DELAYED;
    }
    uint32_t left = c->length - c->used, n = left < (uint32_t)count ? left : (uint32_t)count;
    memcpy(buffer, c->data + c->used, n);
    c->used += n;
    file->index += (int)n;
    if (c->used == c->length) {
        c->ready = false;
        s->current = (s->current + 1) % 2;
        queue_add(s);
    }
    return (int)n;
}

/* What is served ------------------------------------------------------------------------------------ */
int http_add_page(const char *path, http_page *make)
{
    struct page *page = malloc(sizeof(*page));

    if (page == NULL) {
        return -XEN_ENOMEM;
    }
    *page = (struct page){path, make, pages};
    pages = page;
    return 0;
}

struct walk {
    const struct iso9660_volume *volume;
    const char *path;
    unsigned int depth;
};

static int visit(void *context, const char *name, const struct iso9660_file *file)
{
    const struct walk *walk = context;
    size_t length = strlen(walk->path) + strlen(name) + 2;

    if (length > PATH_MAX_LENGTH || walk->depth > DEPTH_MAX ||
        !(file->directory || file->regular)) {
        return 0; /* cannot be asked for */
    }
    char *path = malloc(length);
    if (path == NULL) {
        return -XEN_ENOMEM;
    }
    stpcpy(stpcpy(stpcpy(path, walk->path), "/"), name);
    if (file->directory) {
        struct walk below = {walk->volume, path, walk->depth + 1};
        int error = iso9660_list(walk->volume, file, visit, &below);
        free(path);
        return error;
    }
    struct entry *entry = malloc(sizeof(*entry));
    if (entry == NULL) {
        free(path);
        return -XEN_ENOMEM;
    }
    *entry = (struct entry){path, walk->volume, *file, entries};
    entries = entry;
    return 0;
}

int http_add_volume(const char *prefix, const struct iso9660_volume *volume)
{
    struct walk walk = {volume, prefix, 0};

    if (!thread_started && thread_create("http files", read_thread, NULL) == NULL) {
        return -XEN_ENOMEM;
    }
    thread_started = true;
    return iso9660_list(volume, &volume->root, visit, &walk);
}

void http_files_visit(void (*fn)(void *context, const char *path, uint32_t size), void *context)
{
    for (const struct entry *e = entries; e != NULL; e = e->next) {
        fn(context, e->path, e->file.size);
    }
}
