/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens connections and holds them: what a connect() costs at each step of occupancy, and on a full
 * pool.
 *
 * The descriptor limit of a process is far below the ports of a pool, so forked processes take
 * shares. One after the other by default, so that exactly one connect() runs at a time; --parallel
 * lets them race. A process lives until the parent closes the gate: the sockets stay open to the
 * end.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define FDS_SPARE 32u /* descriptors of a process that are no connections */
#define REFUSALS 16u  /* refusals in succession that say that the pool is full */

struct fill {
	const struct client *c;
	struct attempt *attempt; /* shared, count of them */
	uint64_t *left;          /* shared: attempts that each step still misses */
	bool *full;              /* shared: the pool refuses */
	unsigned long procs, printed;
	int gate[2]; /* the processes wait for its end */
	uint64_t start_ns;
};

static int by_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Prints "PREFIXmedian":x,"PREFIXmean":x,... in microseconds; null where there is nothing. Sorts v.
 */
static void print_times(const char *prefix, uint64_t *v, uint64_t n)
{
	uint64_t sum = 0, i;

	if (!n) {
		printf("\"%smedian\":null,\"%smean\":null", prefix, prefix);
		return;
	}
	qsort(v, n, sizeof(*v), by_ns);
	for (i = 0; i < n; i++)
		sum += v[i];
	printf("\"%smedian\":%.3f,\"%smean\":%.3f,\"%sp99\":%.3f,\"%smax\":%.3f", prefix,
	       (double)v[n / 2] / 1e3, prefix, (double)sum / (double)n / 1e3, prefix,
	       (double)v[n - 1 - n / 100] / 1e3, prefix, (double)v[n - 1] / 1e3);
}

/*
 * Prints what is known of attempts first..end-1: counts, times of the good and of the failed ones,
 * errors.
 */
static void print_attempts(const struct attempt *a, uint64_t first, uint64_t end)
{
	uint64_t *good = calloc(end - first + 1, sizeof(*good)),
		 *bad = calloc(end - first + 1, sizeof(*bad));
	uint64_t goods = 0, bads = 0, i;
	struct errors errors = { 0 };

	if (!good || !bad)
		abort();
	for (i = first; i < end; i++) {
		if (a[i].error) {
			errors_add(&errors, a[i].error);
			bad[bads++] = a[i].ns;
		} else {
			good[goods++] = a[i].ns;
		}
	}
	printf("\"ok\":%llu,\"failed\":%llu,", (unsigned long long)goods, (unsigned long long)bads);
	print_times("us_", good, goods);
	putchar(',');
	print_times("failed_us_", bad, bads);
	printf(",\"errors\":");
	errors_print(&errors);
	free(good);
	free(bad);
}

static uint64_t step_end(const struct client *c, unsigned long step)
{
	return c->count * (step + 1) / c->steps;
}

static unsigned long step_of(const struct client *c, uint64_t i)
{
	unsigned long s = (unsigned long)(i * c->steps / c->count);

	while (step_end(c, s) <= i)
		s++;
	return s;
}

/* Prints every step that is complete and was not printed yet, in order. */
static void print_steps(struct fill *f)
{
	const struct client *c = f->c;

	for (; f->printed < c->steps && !__atomic_load_n(&f->left[f->printed], __ATOMIC_ACQUIRE);
	     f->printed++) {
		uint64_t first = f->printed ? step_end(c, f->printed - 1) : 0,
			 end = step_end(c, f->printed);

		if (first == end)
			continue;
		printf("{\"event\":\"step\",\"from\":%llu,\"to\":%llu,", (unsigned long long)first,
		       (unsigned long long)end);
		print_attempts(f->attempt, first, end);
		printf("}\n");
	}
}

static void open_share(struct fill *f, uint64_t first, uint64_t end, bool until_full)
{
	unsigned refusals = 0;
	uint64_t i;

	for (i = first; i < end && !*f->full; i++) {
		int fd = client_socket(f->c);

		f->attempt[i] = client_connect(f->c, fd);
		__atomic_sub_fetch(&f->left[step_of(f->c, i)], 1, __ATOMIC_RELEASE);
		if (!f->attempt[i].error) {
			refusals = 0;
			continue;
		}
		close(fd);
		*f->full = until_full && ++refusals >= REFUSALS;
	}
}

/* Forks the process of one share; the descriptor returned ends when the share is done. */
static int start_share(struct fill *f, unsigned long which, bool until_full, pid_t *out_pid)
{
	uint64_t count = f->c->count, first = count * which / f->procs,
		 end = count * (which + 1) / f->procs;
	int done[2];
	char c;

	if (pipe(done) || (*out_pid = fork()) < 0) {
		perror("client: fork");
		exit(2);
	}
	if (!*out_pid) {
		close(f->gate[1]);
		close(done[0]);
		open_share(f, first, end, until_full);
		close(done[1]);
		while (read(f->gate[0], &c, 1) > 0)
			;
		_exit(0);
	}
	close(done[1]);
	return done[0];
}

static void wait_share(struct fill *f, int done)
{
	struct pollfd p = { .fd = done };

	while (!poll(&p, 1, 100))
		print_steps(f);
	close(done);
}

static void fill_init(struct fill *f, const struct client *c)
{
	unsigned long per = c->fd_limit > 2 * FDS_SPARE ? c->fd_limit - FDS_SPARE : FDS_SPARE, s;

	*f = (struct fill){ .c = c, .procs = c->procs };
	if (f->procs * per < c->count)
		f->procs = (c->count + per - 1) / per;
	f->attempt = shared_alloc(c->count * sizeof(*f->attempt));
	f->left = shared_alloc(c->steps * sizeof(*f->left));
	f->full = shared_alloc(sizeof(*f->full));
	for (s = 0; s < c->steps; s++)
		f->left[s] = step_end(c, s) - (s ? step_end(c, s - 1) : 0);
	if (pipe(f->gate)) {
		perror("client: pipe");
		exit(2);
	}
	f->start_ns = now_ns();
}

static void fill_run(struct fill *f, bool parallel, bool until_full, pid_t *pids)
{
	int *done = calloc(f->procs, sizeof(*done));
	unsigned long i;

	if (!done)
		abort();
	for (i = 0; i < f->procs; i++) {
		done[i] = start_share(f, i, until_full, &pids[i]);
		if (!parallel)
			wait_share(f, done[i]);
	}
	for (i = 0; parallel && i < f->procs; i++)
		wait_share(f, done[i]);
	free(done);
}

/* Lets the processes end; returns 1 where one of them had failed. */
static int fill_fini(struct fill *f, const pid_t *pids)
{
	int status, bad = 0;
	unsigned long i;

	close(f->gate[1]);
	for (i = 0; i < f->procs; i++) {
		if (waitpid(pids[i], &status, 0) != pids[i] || status) {
			fprintf(stderr, "client: a process of fill ended early\n");
			bad = 1;
		}
	}
	return bad;
}

/* Keeps what is open, where asked to, until stdin ends. */
static void hold(const struct client *c)
{
	char buf[64];

	while (c->hold && read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
}

int mode_fill(const struct client *c)
{
	struct fill f;
	double seconds;
	pid_t *pids;

	fill_init(&f, c);
	pids = calloc(f.procs, sizeof(*pids));
	fill_run(&f, c->parallel, false, pids);
	seconds = (double)(now_ns() - f.start_ns) / 1e9;
	print_steps(&f);
	printf("{\"event\":\"filled\",\"procs\":%lu,\"seconds\":%.3f,", f.procs, seconds);
	print_attempts(f.attempt, 0, c->count);
	printf("}\n");
	hold(c);
	return fill_fini(&f, pids);
}

int mode_refuse(const struct client *c)
{
	struct attempt *tried = calloc(c->tries, sizeof(*tried));
	pid_t *pids;
	uint64_t i, open = 0;
	struct fill f;
	int fd;

	fill_init(&f, c);
	pids = calloc(f.procs, sizeof(*pids));
	f.printed = c->steps;
	fill_run(&f, false, true, pids);
	for (i = 0; i < c->count; i++)
		open += f.attempt[i].ns && !f.attempt[i].error;
	for (i = 0; i < c->tries; i++) {
		fd = client_socket(c);
		tried[i] = client_connect(c, fd);
		close(fd);
	}
	printf("{\"event\":\"refused\",\"open\":%llu,\"full\":%s,", (unsigned long long)open,
	       *f.full ? "true" : "false");
	print_attempts(tried, 0, c->tries);
	printf("}\n");
	free(tried);
	hold(c);
	return fill_fini(&f, pids);
}
