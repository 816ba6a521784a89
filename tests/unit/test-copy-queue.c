/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "init-storage/copy-queue.h"
#include "unit.h"

static struct copy_queue queue;

static void wait_a_little(void) {
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

    assert_int_equal(nanosleep(&pause, NULL), 0);
}

/* The other thread comes to that, when the machine lets it (unit.h has the end), and stays. */
static void settles_at(atomic_uint *count, unsigned wanted) {
    while (atomic_load(count) < wanted)
        wait_a_little();
    wait_a_little();
    assert_int_equal(atomic_load(count), wanted);
}

static pthread_t start(void *(*function)(void *), void *argument) {
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, function, argument), 0);
    return thread;
}

static void *finish(pthread_t thread) {
    void *result = NULL;

    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

/* ---- one thread -------------------------------------------------------------------------- */

TEST(small_pieces_share_a_buffer_in_order) {
    struct chunk *chunk;
    char *room;

    assert_int_equal(queue_open(&queue), 0);
    assert_int_equal(queue_room(&queue), 0);
    room = queue_reserve(&queue, 8);
    memset(room, 'a', 8);
    queue_commit(&queue, 8);
    assert_int_equal(queue_room(&queue), QUEUE_CHUNK_SIZE - 8);
    room = queue_reserve(&queue, 8);
    memset(room, 'b', 8);
    queue_commit(&queue, 8);
    queue_flush(&queue);
    assert_int_equal(queue_room(&queue), 0);
    chunk = queue_take(&queue);
    assert_non_null(chunk);
    assert_int_equal(chunk->used, 16);
    assert_memory_equal(chunk->data, "aaaaaaaabbbbbbbb", 16);
    queue_give_back(&queue, chunk);
    queue_close(&queue);
}

TEST(only_what_is_committed_counts) {
    struct chunk *chunk;
    char *first, *second;

    assert_int_equal(queue_open(&queue), 0);
    first = queue_reserve(&queue, 1000);
    memset(first, 'x', 1000);
    queue_commit(&queue, 4);
    second = queue_reserve(&queue, 1000);
    assert_ptr_equal(second, first + 4);
    memset(second, 'y', 4);
    queue_commit(&queue, 4);
    queue_flush(&queue);
    chunk = queue_take(&queue);
    assert_int_equal(chunk->used, 8);
    assert_memory_equal(chunk->data, "xxxxyyyy", 8);
    queue_give_back(&queue, chunk);
    queue_close(&queue);
}

TEST(a_piece_that_does_not_fit_begins_the_next_buffer) {
    struct chunk *chunk;

    assert_int_equal(queue_open(&queue), 0);
    memset(queue_reserve(&queue, QUEUE_CHUNK_SIZE), 'a', QUEUE_CHUNK_SIZE);
    queue_commit(&queue, QUEUE_CHUNK_SIZE - 8);
    assert_int_equal(queue_room(&queue), 8);
    /* It fits exactly, and still goes behind. */
    memset(queue_reserve(&queue, 8), 'b', 8);
    queue_commit(&queue, 8);
    memset(queue_reserve(&queue, 16), 'c', 16);
    queue_commit(&queue, 16);
    chunk = queue_take(&queue);
    assert_int_equal(chunk->used, QUEUE_CHUNK_SIZE);
    assert_int_equal(chunk->data[QUEUE_CHUNK_SIZE - 9], 'a');
    assert_int_equal(chunk->data[QUEUE_CHUNK_SIZE - 1], 'b');
    queue_give_back(&queue, chunk);
    queue_flush(&queue);
    chunk = queue_take(&queue);
    assert_int_equal(chunk->used, 16);
    assert_int_equal(chunk->data[0], 'c');
    queue_give_back(&queue, chunk);
    queue_close(&queue);
}

TEST(handing_over_nothing_is_nothing) {
    struct chunk *chunk;

    assert_int_equal(queue_open(&queue), 0);
    queue_flush(&queue);
    queue_flush(&queue);
    *(char *)queue_reserve(&queue, 8) = 'x';
    queue_commit(&queue, 8);
    queue_flush(&queue);
    queue_flush(&queue);
    chunk = queue_take(&queue);
    assert_int_equal(chunk->used, 8);
    queue_give_back(&queue, chunk);
    assert_null(queue.first);
    queue_close(&queue);
}

TEST(after_a_stop_nothing_is_given_out) {
    assert_int_equal(queue_open(&queue), 0);
    assert_non_null(queue_reserve(&queue, 8));
    queue_commit(&queue, 8);
    queue_flush(&queue);
    queue_stop(&queue);
    assert_null(queue_take(&queue));
    assert_null(queue_reserve(&queue, 8));
    queue_stop(&queue);
    queue_close(&queue);
}

/* ---- two threads ------------------------------------------------------------------------- */

#define PIECES 40000U

/* Pieces of all sizes, each with its number and its size in front: about 80 MiB, so that each
 * buffer goes round many times. */
static uint32_t size_of_piece(uint32_t number) {
    uint32_t size = 8 + number * 2654435761U % 4096 / 8 * 8;

    return number % 997 == 0 ? QUEUE_CHUNK_SIZE : size;
}

static void *send_pieces(void *argument) {
    (void)argument;
    for (uint32_t number = 0; number < PIECES; number++) {
        uint32_t size = size_of_piece(number), words[2] = {number, size};
        unsigned char *room = queue_reserve(&queue, size);

        if (!room)
            return &queue;
        memset(room, (int)(number & 0xff), size);
        memcpy(room, words, sizeof(words));
        queue_commit(&queue, size);
    }
    queue_flush(&queue);
    return NULL;
}

/* Takes a chunk apart. Returns false at the first byte that is wrong. */
static bool check_chunk(const struct chunk *chunk, uint32_t *number) {
    for (size_t at = 0; at < chunk->used; (*number)++) {
        uint32_t words[2];

        memcpy(words, chunk->data + at, sizeof(words));
        if (words[0] != *number || words[1] != size_of_piece(*number) ||
            at + words[1] > QUEUE_CHUNK_SIZE)
            return false;
        for (size_t i = sizeof(words); i < words[1]; i++) {
            if (chunk->data[at + i] != (unsigned char)*number)
                return false;
        }
        at += words[1];
    }
    return true;
}

TEST(everything_arrives_once_and_in_order) {
    uint32_t number = 0;
    pthread_t sender;

    assert_int_equal(queue_open(&queue), 0);
    sender = start(send_pieces, NULL);
    while (number < PIECES) {
        struct chunk *chunk = queue_take(&queue);

        assert_non_null(chunk);
        if (!check_chunk(chunk, &number))
            fail_with("piece %u", number);
        queue_give_back(&queue, chunk);
    }
    assert_int_equal(number, PIECES);
    assert_null(finish(sender));
    queue_close(&queue);
}

static atomic_uint sent;

static void *send_whole_chunks(void *argument) {
    (void)argument;
    while (queue_reserve(&queue, QUEUE_CHUNK_SIZE)) {
        queue_commit(&queue, QUEUE_CHUNK_SIZE);
        atomic_fetch_add(&sent, 1);
    }
    return &queue;
}

TEST(a_reader_that_is_ahead_waits) {
    pthread_t sender;

    atomic_store(&sent, 0);
    assert_int_equal(queue_open(&queue), 0);
    sender = start(send_whole_chunks, NULL);
    settles_at(&sent, QUEUE_CHUNKS);
    for (unsigned taken = 1; taken <= 3; taken++) {
        queue_give_back(&queue, queue_take(&queue));
        settles_at(&sent, QUEUE_CHUNKS + taken);
    }
    /* It waits when the writer gives up. */
    queue_stop(&queue);
    assert_ptr_equal(finish(sender), &queue);
    queue_close(&queue);
}

static void *take_until_stopped(void *argument) {
    struct chunk *chunk;

    while ((chunk = queue_take(&queue))) {
        atomic_fetch_add((atomic_uint *)argument, 1);
        queue_give_back(&queue, chunk);
    }
    return &queue;
}

TEST(a_writer_that_waits_ends_when_the_reader_gives_up) {
    atomic_uint taken = 0;
    pthread_t taker;

    assert_int_equal(queue_open(&queue), 0);
    taker = start(take_until_stopped, &taken);
    for (int i = 0; i < 3; i++) {
        assert_non_null(queue_reserve(&queue, 8));
        queue_commit(&queue, 8);
        queue_flush(&queue);
    }
    settles_at(&taken, 3);
    queue_stop(&queue);
    assert_ptr_equal(finish(taker), &queue);
    queue_close(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(small_pieces_share_a_buffer_in_order),
        UNIT_TEST(only_what_is_committed_counts),
        UNIT_TEST(a_piece_that_does_not_fit_begins_the_next_buffer),
        UNIT_TEST(handing_over_nothing_is_nothing),
        UNIT_TEST(after_a_stop_nothing_is_given_out),
        UNIT_TEST(everything_arrives_once_and_in_order),
        UNIT_TEST(a_reader_that_is_ahead_waits),
        UNIT_TEST(a_writer_that_waits_ends_when_the_reader_gives_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
