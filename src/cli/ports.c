/* SPDX-License-Identifier: BSD-2-Clause */
/* berth ports: who holds which port. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/cli/cli.h"
#include "src/cli/ports.h"
#include "src/kernel/keyset.h"

BERTH_OPT_FLAG(json, struct ports_query, json)
BERTH_OPT_FLAG(ancestry, struct ports_query, ancestry)
BERTH_OPT_FLAG(details, struct ports_query, details)
BERTH_OPT_FLAG(schema, struct ports_query, schema)
BERTH_OPT_FLAG(all_namespaces, struct ports_query, sockets.all_namespaces)

static int set_columns(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct ports_query *)into)->columns = value;
	return 0;
}

static int set_count_by(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct ports_query *)into)->count_by = value;
	return 0;
}

static int set_source(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct ports_query *)into)->sockets.source = !strcmp(value, "bpf")    ? BERTH_SOCKETS_BPF
						       : !strcmp(value, "diag") ? BERTH_SOCKETS_DIAG
										: BERTH_SOCKETS_ANY;
	return 0;
}

BERTH_OPT_FLAG(watch, struct ports_query, watch)

static int set_every(void *into, const char *value, struct berth_why *why)
{
	struct ports_query *q = into;
	char *end;

	q->every_s = strtod(value, &end);
	if (*end || !(q->every_s >= 0.01 && q->every_s <= 3600))
		return berth_why(why, -EINVAL, "--every %s: write seconds, 0.01 to 3600", value);
	return 0;
}

const struct berth_opt berth_ports_opts[] = {
	{ "json", NULL, NULL,
	  "JSON Lines, one object a socket and holder; a member that has no value is left out. --schema documents "
	  "the members.",
	  NULL, set_json },
	{ "schema", NULL, NULL,
	  "Print the fields: members of --json, columns, filters, --count-by.", NULL, set_schema },
	{ "details", NULL, NULL,
	  "Also the fields that are details: inode and the queues of connections. Half as dear again.",
	  NULL, set_details },
	{ "columns", "FIELD,...", NULL, "Show these fields as columns.", NULL, set_columns },
	{ "count-by", "FIELD", NULL,
	  "How many sockets have each value of the field. \"destination\" is peer. Counted in the kernel where "
	  "neither field nor filters need the holder.",
	  NULL, set_count_by },
	{ "all-namespaces", NULL, NULL, "Every network namespace, not only this one; needs root.",
	  NULL, set_all_namespaces },
	{ "ancestry", NULL, NULL,
	  "Also say why each holder runs: its parents, its unit, since when.", NULL, set_ancestry },
	{ "watch", NULL, NULL,
	  "Go on, and show what comes (+) and goes (-). What comes and goes between two looks is missed, or seen in "
	  "TIME_WAIT. Each row that is there takes some 200 bytes.",
	  NULL, set_watch },
	{ "every", "SECONDS", "1", "How often --watch looks.", NULL, set_every },
	{ "source", "SOURCE", "auto",
	  "Where rows come from: programs in the kernel, or sock_diag and /proc, which is quicker on a small host.",
	  "auto|bpf|diag", set_source },
	{ NULL },
};

/* ---- schema ---- */

/* The table of fields in Markdown: docs/ports.md has it. */
static int print_schema(void)
{
	const struct ports_field *f;

	puts("| field | type | shown | meaning | values |\n|---|---|---|---|---|");
	for (f = ports_fields; f->name; f++) {
		const char *w;

		printf("| `%s` | %s | %s | %s | ", f->name, f->type,
		       f->no_json  ? "table"
		       : f->detail ? "--details"
		       : f->column ? "table, JSON"
				   : "JSON",
		       f->help);
		for (w = f->words ? f->words : ""; *w; w++)
			fputs(*w == '|' ? ", " : (char[]){ *w, '\0' }, stdout);
		puts(f->words ? " |" : "|");
	}
	return BERTH_EXIT_OK;
}

/* ---- rows ---- */

struct show {
	struct ports_query *q;
	struct ports_out out;
	struct ports_table *table;
	struct berth_keyset pids; /* --ancestry: those to explain */
	uint64_t rows, unowned;
};

static void json_ancestry(struct show *s, const struct ports_row *row)
{
	const struct berth_holder *h =
		berth_holders_get(ports_names_holders(row->names), row->task);
	berth_auto_free char *text = NULL;
	size_t n = 0;
	FILE *f = h ? open_memstream(&text, &n) : NULL;

	if (!f)
		return;
	ports_ancestry_json(f, h);
	if (fclose(f) || n > PORTS_OUT_ROOM / 2)
		return;
	s->out.used -= 2;
	s->out.used += (size_t)sprintf(s->out.buf + s->out.used, ",\"ancestry\":%s}\n", text);
}

static int on_row(const struct berth_socket *socket, const struct berth_task *task, void *arg)
{
	struct show *s = arg;
	struct ports_row row = { socket, task, s->q->names, s->q->details };

	if (!ports_filter_has(s->q->filter, &row))
		return 0;
	s->rows++;
	s->unowned += !task && socket->inode;
	if (s->q->json) {
		ports_json_row(&s->out, &row);
		if (s->q->ancestry && task)
			json_ancestry(s, &row);
		return s->out.failed;
	}
	ports_table_row(s->table, &row, ' ');
	if (s->q->ancestry && task) {
		const struct berth_holder *h =
			berth_holders_get(ports_names_holders(row.names), task);

		if (h && berth_keyset_add(&s->pids, h->pid, 0) < 0)
			return -ENOMEM;
	}
	return ferror(stdout) ? 1 : 0;
}

void ports_say_hidden(const struct berth_sockets_told *told, uint64_t unowned)
{
	unsigned long long n = unowned;

	if (n && told->holders_hidden && geteuid())
		fprintf(stderr,
			"berth ports: who holds %llu of them the kernel does not tell uid %u, because the process is "
			"another user's or has more privileges; run as root to see it\n",
			n, geteuid());
	else if (n && told->holders_hidden)
		fprintf(stderr,
			"berth ports: who holds %llu of them the kernel does not tell this root, which has not "
			"CAP_SYS_PTRACE over the process; run as root of the host to see it\n",
			n);
	else if (n && told->holders_outside)
		fprintf(stderr,
			"berth ports: who holds %llu of them is not in this PID namespace; run outside of it to see it\n",
			n);
}

static void say_ancestry(struct show *s)
{
	size_t i;

	for (i = 0; i < s->pids.room; i++) {
		struct berth_task t = { .pid = (uint32_t)s->pids.key[i] };
		const struct berth_holder *h =
			t.pid ? berth_holders_get(ports_names_holders(s->q->names), &t) : NULL;

		if (h)
			ports_ancestry_text(stdout, h);
	}
}

static int show(struct ports_query *q, struct ports_out *out)
{
	struct show s = { .q = q, .out = *out };
	struct berth_sockets_told told;
	struct berth_why why;
	int result;

	s.table = ports_table_new(q->columns, false, &why);
	if (!s.table)
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	result = berth_sockets_read(&q->sockets, on_row, &s, &told, &why);
	ports_table_flush(s.table);
	ports_table_free(s.table);
	ports_out_flush(&s.out);
	if (!result && s.pids.count) {
		putchar('\n');
		say_ancestry(&s);
	}
	berth_keyset_free(&s.pids);
	if (result < 0)
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	ports_say_hidden(&told, s.unowned);
	if (!s.rows)
		ports_filter_say_meant(q->filter);
	return s.rows ? BERTH_EXIT_OK : BERTH_EXIT_FINDINGS;
}

static int parse(int argc, char **argv, struct ports_query *q, struct berth_why *why)
{
	int words = berth_opt_words(berth_ports_opts, argc, argv, q, NULL, why), err = 0, i;

	for (i = 0; i < words && !err; i++)
		err = ports_filter_add(q->filter, argv[i], why);
	return words < 0 ? words : err;
}

static int run(int argc, char **argv, struct ports_query *q)
{
	struct ports_out out = { .buf = malloc(PORTS_OUT_SIZE), .fd = STDOUT_FILENO };
	struct berth_why why;
	int err = parse(argc, argv, q, &why), status;

	if (!err && !out.buf)
		err = berth_why(&why, -ENOMEM, "no memory");
	if (!err) {
		q->names = ports_names_new(&why);
		err = q->names ? 0 : -ENOMEM;
	}
	if (err) {
		free(out.buf);
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	}
	if (q->schema) {
		free(out.buf);
		return print_schema();
	}
	ports_filter_ask(q->filter, &q->sockets.ask);
	/* Who names columns may name details; --watch tells sockets by their inodes. */
	q->details = q->details || q->columns || ports_filter_needs_details(q->filter);
	q->sockets.ask.brief = !q->details && !q->watch;
	status = q->count_by ? ports_count(q, &out)
		 : q->watch  ? ports_watch(q, &out)
			     : show(q, &out);
	free(out.buf);
	return status;
}

int berth_ports_main(int argc, char **argv)
{
	struct ports_query q = { .filter = ports_filter_new(), .every_s = 1 };
	int status;

	if (!q.filter) {
		fputs("berth ports: no memory\n", stderr);
		return BERTH_EXIT_FAILURE;
	}
	status = run(argc, argv, &q);
	ports_names_free(q.names);
	ports_filter_free(q.filter);
	return status;
}
