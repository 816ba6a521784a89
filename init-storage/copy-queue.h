/* SPDX-License-Identifier: MIT */
#ifndef COPY_QUEUE_H
#define COPY_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What the reader asks the writer to do, in order, packed into a few large buffers that go
 * round. The buffers are all the memory that a copy of any size takes. */

enum record_kind {
    RECORD_SUBVOLUME, /* enter a new subvolume; name */
    RECORD_DIRECTORY, /* enter a new directory; name */
    RECORD_LEAVE,     /* the entered one is complete */
    RECORD_FILE,      /* begin a regular file, or name one again that has several links; name */
    RECORD_DATA,      /* payload is its content at offset */
    RECORD_SYMLINK,   /* begin a symbolic link; name, payload is its target */
    RECORD_NODE,      /* begin a FIFO, a socket or a device node; name */
    RECORD_DONE,      /* the begun one is complete */
    RECORD_XATTR,     /* of the begun one, or of the entered one when none is begun; name */
    RECORD_END,       /* everything was read */
};

struct record {
    uint32_t size;         /* of the whole record, a multiple of 8 */
    uint16_t kind;         /* enum record_kind */
    uint16_t name_size;    /* with its NUL; the name follows the record */
    uint32_t payload_size; /* follows the name */
    uint32_t label_size;   /* of the payload's end: the label to create it with, with its NUL */
    uint32_t mode, uid, gid, links;
    uint64_t rdev;
    uint64_t identity[2];     /* the source's device and inode */
    uint64_t offset, length;  /* of a file's content */
    struct timespec times[2]; /* as utimensat(2) takes them */
    bool set_times;
    bool nodatacow;
    bool skip_zeros; /* the payload may hold holes that the image's kernel driver cannot tell */
};

#define QUEUE_CHUNK_SIZE (256U << 10)
#define QUEUE_CHUNKS 16U

struct chunk {
    struct chunk *next;
    size_t used;
    unsigned char *data; /* QUEUE_CHUNK_SIZE bytes */
};

struct copy_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct chunk chunks[QUEUE_CHUNKS];
    struct chunk *free, *first, *last; /* free ones; full ones in order */
    struct chunk *filling;             /* the reader's own */
    unsigned char *memory;
    bool stopped; /* either side gave up */
};

int queue_open(struct copy_queue *queue);
void queue_close(struct copy_queue *queue);

/* How much the buffer in hand still takes. */
size_t queue_room(const struct copy_queue *queue);

/* Room for size bytes (at most QUEUE_CHUNK_SIZE) in one piece, or NULL when the writer gave up.
 * The bytes count once queue_commit says how many of them are used. */
void *queue_reserve(struct copy_queue *queue, size_t size);
void queue_commit(struct copy_queue *queue, size_t size);

/* Hands over what is in hand. */
void queue_flush(struct copy_queue *queue);

/* The writer's side: the next full buffer, or NULL when the reader gave up. */
struct chunk *queue_take(struct copy_queue *queue);
void queue_give_back(struct copy_queue *queue, struct chunk *chunk);

void queue_stop(struct copy_queue *queue);

#endif
