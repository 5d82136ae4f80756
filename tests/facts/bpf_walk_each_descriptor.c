/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts what the walk over descriptors tells of a socket with two of them in each of two processes. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "walks_user.h"

static pthread_barrier_t barrier;

static void *rest(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

int main(void)
{
	const struct walks *w;
	pthread_t thread;
	size_t i, ours = 0;
	pid_t child;
	int fd;

	walks_begin(
		"iter/task_file tells of each descriptor of each process, and of a table that threads share once");
	fd = fact_bound(SOCK_STREAM, 20000);
	fact_need(dup(fd) >= 0, "dup");
	child = fork();
	fact_need(child >= 0, "fork");
	if (!child) {
		pause();
		_exit(0);
	}
	pthread_barrier_init(&barrier, NULL, 2);
	fact_need(!pthread_create(&thread, NULL, rest, NULL), "a thread");
	pthread_barrier_wait(&barrier);
	w = walks_files();
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (i = 0; i < w->count; i++) {
		fact_expect(w->row[i].thread == w->row[i].process, "thread %u of %u",
			    w->row[i].thread, w->row[i].process);
		ours += w->row[i].process == (uint32_t)getpid();
	}
	fact_expect(walks_with_port(w, 20000) == 4, "%zu rows", walks_with_port(w, 20000));
	fact_expect(ours == 2, "%zu rows of this process", ours);
	fact_expect(walks_with_port(walks_tcp(), 20000) == 0,
		    "a socket that is only bound is in the table of TCP");
	fact_holds();
}
