// SPDX-License-Identifier: MIT
/*
 * See http_files.h. A file that is being sent has two chunks: one is handed to the server while the
 * thread fills the other. A chunk belongs to the thread while it is not `ready`, to the server otherwise.
 * If the server closes a source while the thread works on it, the thread frees it afterwards.
 */
#include "pvguest/http_files.h"

#include <stdlib.h>
#include <string.h>

#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include <xen/errno.h>

#define CHUNK_ORDER 4U /* at most 64 KiB */
#define PATH_MAX_LENGTH 255U
#define DEPTH_MAX 8U /* as ISO 9660 itself */

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
    size_t length, used;
    bool ready;
};

struct http_source {
    char *text;                /* a page, else NULL */
    const struct entry *entry; /* a file, else NULL */
    uint64_t offset, end;      /* of the page: what is left; of the file: what is to be read */
    struct chunk chunks[2];
    unsigned int order;   /* of the chunks' pages */
    unsigned int current; /* the chunk handed out next */
    bool failed, closed;
    void (*ready)(void *context);
    void *context;
    struct http_source *next; /* list of those with work for the thread */
    bool is_queued;
};

static struct page *pages;
static struct entry *entries;
static struct http_source *queue, **queue_end = &queue;
static struct wait_queue queue_wait;
static bool thread_started;

/* Reading ahead ------------------------------------------------------------------------------------- */
static void queue_add(struct http_source *s)
{
    if (!s->is_queued) {
        s->is_queued = true;
        s->next = NULL;
        *queue_end = s;
        queue_end = &s->next;
        wake_up(&queue_wait);
    }
}

static void source_free(struct http_source *s)
{
    for (unsigned int i = 0; i < 2; i++) {
        if (s->chunks[i].data != NULL) {
            page_free(s->chunks[i].data, s->order);
        }
    }
    free(s->text);
    free(s);
}

/* The chunk to be filled next: the current one if it is empty, else the other one. */
static struct chunk *chunk_to_fill(struct http_source *s)
{
    for (unsigned int i = 0; i < 2; i++) {
        struct chunk *c = &s->chunks[(s->current + i) % 2];
        if (!c->ready && c->data != NULL) {
            return s->offset < s->end && !s->failed ? c : NULL;
        }
    }
    return NULL;
}

static void source_fill(struct http_source *s)
{
    struct chunk *c = chunk_to_fill(s);

    if (s->closed || c == NULL) {
        return;
    }
    uint64_t left = s->end - s->offset, room = PAGE_SIZE << s->order;
    long n = iso9660_read(s->entry->volume, &s->entry->file, s->offset, c->data,
                          left < room ? left : room);
    if (n <= 0) {
        s->failed = true;
    } else {
        c->length = (size_t)n;
        c->used = 0;
        c->ready = true;
        s->offset += (uint64_t)n;
    }
    if (!s->closed) {
        s->ready(s->context); /* may close the source */
    }
}

/* One chunk for each in turn: a client with a long file does not hold the others up. */
static void read_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&queue_wait, queue != NULL);
        struct http_source *s = queue;
        queue = s->next;
        if (queue == NULL) {
            queue_end = &queue;
        }
        source_fill(s); /* is_queued stays set: a close leaves the freeing to us */
        s->is_queued = false;
        if (s->closed) {
            source_free(s);
        } else if (chunk_to_fill(s) != NULL) {
            queue_add(s);
        }
    }
}

/* Sources ------------------------------------------------------------------------------------------- */
static const struct entry *entry_find(const char *path)
{
    const struct entry *e = entries;

    while (e != NULL && strcmp(e->path, path) != 0) {
        e = e->next;
    }
    return e;
}

static const struct page *page_find(const char *path)
{
    const struct page *p = pages;

    while (p != NULL && strcmp(p->path, path) != 0) {
        p = p->next;
    }
    return p;
}

int http_source_open(const char *path, void (*ready)(void *context), void *context,
                     struct http_source **source, struct http_resource *resource)
{
    const char *name = strcmp(path, "/") == 0 ? "/index.html" : path;
    const struct page *page = page_find(name);
    const struct entry *entry = page == NULL ? entry_find(name) : NULL;

    if (page == NULL && entry == NULL) {
        return -XEN_ENOENT;
    }
    struct http_source *s = calloc(1, sizeof(*s));
    if (s != NULL && page != NULL) {
        s->text = page->make(name);
    }
    if (s == NULL || (page != NULL && s->text == NULL)) {
        free(s);
        return -XEN_ENOMEM;
    }
    s->entry = entry;
    s->ready = ready;
    s->context = context;
    resource->type = http_type(name);
    resource->size = page != NULL ? strlen(s->text) : entry->file.size;
    resource->modified = page != NULL ? HTTP_NO_TIME : entry->file.modified;
    *source = s;
    return 0;
}

int http_source_start(struct http_source *s, uint64_t first, uint64_t count)
{
    unsigned int chunks = 0;

    s->offset = first;
    s->end = first + count;
    if (s->entry == NULL || count == 0) {
        return 0;
    }
    while (s->order < CHUNK_ORDER && (PAGE_SIZE << s->order) < count) {
        s->order++;
    }
    for (; chunks < 2 && (PAGE_SIZE << s->order) * chunks < count; chunks++) {
        s->chunks[chunks].data = page_alloc_dirty(s->order);
        if (s->chunks[chunks].data == NULL) {
            return -XEN_ENOMEM;
        }
    }
    queue_add(s);
    return 0;
}

long http_source_peek(struct http_source *s, const void **data)
{
    const struct chunk *c = &s->chunks[s->current];

    if (s->text != NULL) {
        *data = s->text + s->offset;
        return (long)(s->end - s->offset);
    }
    if (!c->ready) {
        return s->failed ? -XEN_EIO : 0;
    }
    *data = c->data + c->used;
    return (long)(c->length - c->used);
}

void http_source_take(struct http_source *s, size_t count)
{
    struct chunk *c = &s->chunks[s->current];

    if (s->text != NULL) {
        s->offset += count;
        return;
    }
    c->used += count;
    if (c->used < c->length) {
        return;
    }
    c->ready = false;
    if (s->chunks[1].data != NULL) {
        s->current = !s->current;
    }
    if (chunk_to_fill(s) != NULL) {
        queue_add(s);
    }
}

void http_source_close(struct http_source *s)
{
    if (s == NULL) {
        return;
    }
    s->closed = true;
    if (!s->is_queued) {
        source_free(s);
    }
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
