/* SPDX-License-Identifier: MIT */
#include "copy-queue.h"

#include <errno.h>
#include <stdlib.h>

int queue_open(struct copy_queue *queue) {
    *queue = (struct copy_queue){0};
    queue->memory = malloc((size_t)QUEUE_CHUNK_SIZE * QUEUE_CHUNKS);
    if (!queue->memory)
        return -ENOMEM;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    for (size_t i = 0; i < QUEUE_CHUNKS; i++) {
        queue->chunks[i].data = queue->memory + i * QUEUE_CHUNK_SIZE;
        queue->chunks[i].next = queue->free;
        queue->free = &queue->chunks[i];
    }
    return 0;
}

void queue_close(struct copy_queue *queue) {
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->changed);
    free(queue->memory);
}

size_t queue_room(const struct copy_queue *queue) {
    return queue->filling ? QUEUE_CHUNK_SIZE - queue->filling->used : 0;
}

void queue_flush(struct copy_queue *queue) {
    struct chunk *full = queue->filling;

    if (!full)
        return;
    queue->filling = NULL;
    full->next = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->last)
        queue->last->next = full;
    else
        queue->first = full;
    queue->last = full;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void *queue_reserve(struct copy_queue *queue, size_t size) {
    struct chunk *chunk = NULL;

    if (queue->filling && queue_room(queue) >= size)
        return queue->filling->data + queue->filling->used;
    queue_flush(queue);
    pthread_mutex_lock(&queue->lock);
    while (!queue->free && !queue->stopped)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (!queue->stopped) {
        chunk = queue->free;
        queue->free = chunk->next;
    }
    pthread_mutex_unlock(&queue->lock);
    if (!chunk)
        return NULL;
    chunk->used = 0;
    queue->filling = chunk;
    return chunk->data;
}

void queue_commit(struct copy_queue *queue, size_t size) {
    queue->filling->used += size;
}

struct chunk *queue_take(struct copy_queue *queue) {
    struct chunk *chunk = NULL;

    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->stopped)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (!queue->stopped) {
        chunk = queue->first;
        queue->first = chunk->next;
        if (!queue->first)
            queue->last = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    return chunk;
}

void queue_give_back(struct copy_queue *queue, struct chunk *chunk) {
    pthread_mutex_lock(&queue->lock);
    chunk->next = queue->free;
    queue->free = chunk;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void queue_stop(struct copy_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->stopped = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
