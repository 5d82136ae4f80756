/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connects, closes and begins again: the rate, the failures, and how soon a port comes back.
 *
 * The steady rate counts from the attempt number --warmup on, when the ports have been used once.
 * Reuse distance is measured with --reuse only: it asks each socket for its port (some 0.2 us each)
 * and keeps, for each (source address, port), when it was used last; addresses are told apart by a
 * hash of 16 values.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "hist.h"

#define SECONDS_MAX 3600u
#define SOURCES 16u

/* What one process has seen. */
struct tally {
	struct hist ok, failed, reuse_count, reuse_ns;
	struct errors errors;
	uint32_t ok_in[SECONDS_MAX], failed_in[SECONDS_MAX];
	uint64_t end_ns;
};

struct last_use {
	uint64_t number, ns; /* number 0: never used */
};

/* What the processes share while they run. */
struct churn {
	uint64_t attempts, ok, failed;
	uint64_t steady_ns, steady_ok, steady_failed;
	uint64_t first_failure_after; /* connections that had succeeded; ~0: no failure */
	struct last_use last[SOURCES][65536];
};

static volatile sig_atomic_t over;

static void on_alarm(int sig)
{
	(void)sig;
	over = 1;
}

/* The handler interrupts a connect() that waits for its peer: SA_RESTART is left out for that. */
static void end_after(double seconds)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval t = { .it_value = {
				       (time_t)seconds,
				       (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6) } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static unsigned source_of(const struct endpoint *e)
{
	const uint8_t *a = e->sa.sa_family == AF_INET6 ? e->v6.sin6_addr.s6_addr + 12
						       : (const uint8_t *)&e->v4.sin_addr;

	return a[3] % SOURCES;
}

static void note_reuse(struct churn *ch, struct tally *t, int fd, uint64_t number, uint64_t now)
{
	struct endpoint e = endpoint_local(fd);
	struct last_use *last = &ch->last[source_of(&e)][endpoint_port(&e)];

	if (last->number) {
		hist_add(&t->reuse_count, number - last->number);
		hist_add(&t->reuse_ns, now - last->ns);
	}
	*last = (struct last_use){ number, now };
}

static void note(struct churn *ch, struct tally *t, struct attempt a, uint64_t start, uint64_t now)
{
	uint64_t second = (now - start) / 1000000000u;

	second = second < SECONDS_MAX ? second : SECONDS_MAX - 1;
	if (!a.error) {
		hist_add(&t->ok, a.ns);
		t->ok_in[second]++;
		__atomic_add_fetch(&ch->ok, 1, __ATOMIC_RELAXED);
		return;
	}
	if (!__atomic_fetch_add(&ch->failed, 1, __ATOMIC_RELAXED))
		ch->first_failure_after = __atomic_load_n(&ch->ok, __ATOMIC_RELAXED);
	hist_add(&t->failed, a.ns);
	errors_add(&t->errors, a.error);
	t->failed_in[second]++;
}

/* Waits until it is the turn of a worker's n-th connection. */
static void await_turn(const struct client *c, uint64_t n, uint64_t start)
{
	uint64_t at = start + (c->rate ? n * 1000000000u / c->rate : 0);
	struct timespec t = { (time_t)(at / 1000000000u), (long)(at % 1000000000u) };

	if (c->rate && now_ns() < at)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void churn_worker(const struct client *c, struct churn *ch, struct tally *t, uint64_t start)
{
	uint64_t n = 0;

	end_after(c->seconds);
	while (!over) {
		await_turn(c, n++, start);
		uint64_t number = __atomic_add_fetch(&ch->attempts, 1, __ATOMIC_RELAXED), now;
		int fd = client_socket(c);
		struct attempt a = client_connect(c, fd);

		now = now_ns();
		if (number == c->warmup) {
			ch->steady_ns = now;
			ch->steady_ok = ch->ok;
			ch->steady_failed = ch->failed;
		}
		if (a.error != EINTR || !over)
			note(ch, t, a, start, now);
		if (c->reuse && !a.error)
			note_reuse(ch, t, fd, number, now);
		close(fd);
	}
	t->end_ns = now_ns();
}

static void print_hist(const char *name, const struct hist *h, double unit)
{
	if (!h->count) {
		printf("\"%s\":null", name);
		return;
	}
	printf("\"%s\":{\"count\":%llu,\"min\":%.3f,\"median\":%.3f,\"mean\":%.3f,\"p99\":%.3f,"
	       "\"p999\":%.3f,"
	       "\"max\":%.3f}",
	       name, (unsigned long long)h->count, (double)h->min / unit,
	       (double)hist_quantile(h, 0.5) / unit, (double)h->sum / (double)h->count / unit,
	       (double)hist_quantile(h, 0.99) / unit, (double)hist_quantile(h, 0.999) / unit,
	       (double)h->max / unit);
}

/* Adds the tallies of all processes up in the first. */
static void tally_merge(struct tally *t, unsigned long procs)
{
	unsigned long p;
	unsigned i;

	for (p = 1; p < procs; p++) {
		hist_merge(&t->ok, &t[p].ok);
		hist_merge(&t->failed, &t[p].failed);
		hist_merge(&t->reuse_count, &t[p].reuse_count);
		hist_merge(&t->reuse_ns, &t[p].reuse_ns);
		for (i = 0; i < ERRORS_MAX; i++)
			t->errors.count[i] += t[p].errors.count[i];
		for (i = 0; i < SECONDS_MAX; i++) {
			t->ok_in[i] += t[p].ok_in[i];
			t->failed_in[i] += t[p].failed_in[i];
		}
		t->end_ns = t[p].end_ns > t->end_ns ? t[p].end_ns : t->end_ns;
	}
}

static void print_rate(const char *name, uint64_t n, uint64_t ns)
{
	if (ns)
		printf("\"%s\":%.1f,", name, (double)n * 1e9 / (double)ns);
	else
		printf("\"%s\":null,", name);
}

static void print_churn(const struct client *c, const struct churn *ch, const struct tally *t,
			uint64_t start)
{
	uint64_t steady =
		ch->steady_ns && t->end_ns > ch->steady_ns ? t->end_ns - ch->steady_ns : 0;
	unsigned i;

	for (i = 0; i < (unsigned)c->seconds; i++)
		printf("{\"event\":\"second\",\"second\":%u,\"ok\":%u,\"failed\":%u}\n", i,
		       t->ok_in[i], t->failed_in[i]);
	printf("{\"event\":\"churned\",\"seconds\":%.3f,\"ok\":%llu,\"failed\":%llu,",
	       (double)(t->end_ns - start) / 1e9, (unsigned long long)t->ok.count,
	       (unsigned long long)t->failed.count);
	print_rate("rate", t->ok.count, t->end_ns - start);
	print_rate("steady_rate", ch->ok - ch->steady_ok, steady);
	printf("\"steady_failed\":%llu,",
	       (unsigned long long)(ch->steady_ns ? ch->failed - ch->steady_failed : 0));
	if (ch->failed)
		printf("\"ok_before_failure\":%llu,", (unsigned long long)ch->first_failure_after);
	else
		printf("\"ok_before_failure\":null,");
	print_hist("us", &t->ok, 1e3);
	putchar(',');
	print_hist("failed_us", &t->failed, 1e3);
	putchar(',');
	print_hist("reuse_connections", &t->reuse_count, 1);
	putchar(',');
	print_hist("reuse_ms", &t->reuse_ns, 1e6);
	printf(",\"errors\":");
	errors_print(&t->errors);
	printf("}\n");
}

int mode_churn(const struct client *c)
{
	unsigned long procs = c->procs ? c->procs : 1, i;
	struct churn *ch = shared_alloc(sizeof(*ch));
	struct tally *t = shared_alloc(procs * sizeof(*t));
	uint64_t start = now_ns();
	int status, bad = 0;

	for (i = 0; i < procs; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("client: fork");
			return 2;
		}
		if (!pid) {
			churn_worker(c, ch, &t[i], start);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	tally_merge(t, procs);
	print_churn(c, ch, t, start);
	return bad;
}
