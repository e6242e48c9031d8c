#define _GNU_SOURCE
#include "CNetfilter.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

struct call {
    int descriptor;
    int error;
    void (*body)(void *);
    void *context;
};

static void *enter(void *argument) {
    struct call *call = argument;
    if (setns(call->descriptor, CLONE_NEWNET) != 0) {
        call->error = errno;
        return NULL;
    }
    call->body(call->context);
    return NULL;
}

int cnf_run_in_namespace(int descriptor, void (*body)(void *), void *context) {
    struct call call = {.descriptor = descriptor, .error = 0, .body = body, .context = context};
    pthread_t thread;
    // A thread of its own: the caller's may belong to a pool, where the namespace would leak into other work.
    int error = pthread_create(&thread, NULL, enter, &call);
    if (error != 0) return error;
    pthread_join(thread, NULL);
    return call.error;
}
