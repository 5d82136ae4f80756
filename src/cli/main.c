/* SPDX-License-Identifier: BSD-2-Clause */
/* berth: the table of verbs, help, version and what is generated from the tables. */
#include <stdio.h>
#include <string.h>

#include "src/cli/cli.h"

static int help_main(int argc, char **argv);
static int man_main(int argc, char **argv);
static int completion_main(int argc, char **argv);

static const struct berth_opt no_opts[] = { { NULL } };

static const struct berth_verb verbs[] = {
	{ "run", "run a program whose outgoing connections get their ports from berth",
	  "-- PROGRAM [ARG...]",
	  "Starts PROGRAM in a cgroup of its own, in which each connect() of an unbound TCP or UDP socket is given "
	  "a source port, and an address where a pool is named, in constant time at any occupancy.\n"
	  "The program's exit status, signals, terminal and environment are its own. A socket that the program "
	  "bound to a port is left alone; one bound to an address keeps the address.\n"
	  "bind() with an address and port 0 gets a port of the pool that nobody else uses. sendto() on an unbound UDP "
	  "socket, listen() without bind(), and bind() to a wildcard address with port 0 are left to the kernel.\n"
	  "Exit status: the program's; 127 where it is not found, 126 where it cannot be executed, 2 where berth failed.",
	  berth_run_opts, berth_run_main },
	{ "ports", "show who holds which port, and why", "[FILTER...]",
	  "One row for each socket and each process that holds it; a socket that nobody holds (TIME_WAIT, a connection that "
	  "closes, one that nobody has accepted yet, one of the kernel's) has a row without a holder.\n"
	  "A FILTER is a local port (443) or range (8000-8100), a program (nginx) or the name of a service, a word that a "
	  "field can have (listening, public, udp, time-wait, ephemeral), FIELD=VALUE (pid=42, user=www-data, "
	  "unit=ssh.service), to=ADDR[/LEN][:PORT] or from=ADDR[/LEN][:PORT]. Filters about the same field are "
	  "alternatives; all fields named must hold. --schema lists the fields.\n"
	  "Without privileges the holders are those that the caller may look into, and berth says so.\n"
	  "\"berth ports free PORT [--dry-run] [--signal SIGNAL] [--socket] [--json]\" says who holds a port and ends it, or only "
	  "its socket: see \"berth ports free --help\".\n"
	  "Exit status: 0 where there is a row, 1 where there is none.",
	  berth_ports_opts, berth_ports_main },
	{ "status", "show runs in progress and their counters", "",
	  "One row a run; a run whose berth was killed while its program goes on is shown as \"orphan\".",
	  berth_status_opts, berth_status_main },
	{ "explain", "say why a port can be used or not, and what to do", "WHAT",
	  "WHAT is a port (8080, 53/udp), the name of a service, an endpoint (127.0.0.1:80), a call (\"bind "
	  "0.0.0.0:80 as www-data\", \"connect 10.0.0.7:443 from 10.0.0.2\"), a URL, or an errno (EADDRINUSE).\n"
	  "The answer comes from the kernel's rules, applied to the sockets that there are now, and for bind() from the "
	  "kernel itself: a child process binds the port for a moment.\n"
	  "bind() is taken to come from a server: TCP with SO_REUSEADDR.\n"
	  "Exit status: 0 it would succeed, 1 it would fail, 2 the question was not understood.",
	  berth_explain_opts, berth_explain_main },
	{ "services", "show what a port or a service name means", "[NAME|PORT|RANGE|SCHEME:...]",
	  "One row for each service and protocol: all, or those that have a name or alias (case ignored) or one "
	  "of the ports of an operand; ranges are written as for --ports: 1024-2048,!1080. \"https:\" is a scheme.\n"
	  "What is known comes from IANA's registry as it was when berth was built, over it a newer one that was "
	  "imported, over both /etc/services, which programs of this host ask: the highest has the name, the names "
	  "of the others are aliases.\n"
	  "Exit status: 0 each operand was found, 1 one was not, 2 berth failed.",
	  berth_services_opts, berth_services_main },
	{ "doctor", "show what this host offers berth, and how to mend what is missing", "",
	  "One row for each thing that berth needs or can use: ok, degraded or missing, what that costs, and the "
	  "command that mends it.\nExit status: 0 all is well, 1 something is degraded or missing.",
	  berth_doctor_opts, berth_doctor_main },
	{ "help", "show the verbs, or the options of one", "[VERB]", "", no_opts, help_main },
	{ "man", "print the manual page, in mdoc", "", "", no_opts, man_main },
	{ "completion", "print a completion script", "bash|zsh|fish", "", no_opts,
	  completion_main },
	{ NULL },
};

static const struct berth_variable variables[] = {
	{ "BERTH_BPF_LOG",
	  "Where it is set, what libbpf and the kernel's verifier say while the programs are loaded goes to standard "
	  "error: for a kernel that does not accept them." },
	{ "BERTH_PRELOAD",
	  "Set for a program under \"berth run --via preload\": the file that the run's programs share. One that clears "
	  "it is not under berth." },
	{ "BERTH_PRELOAD_LIB",
	  "The library of the preload path, in place of the one that was built or installed with this berth." },
	{ "BERTH_SOCKETS",
	  "\"bpf\" or \"diag\": where sockets are read from, for every verb, as --source of \"berth ports\" says it." },
	{ "COLUMNS",
	  "How many characters a line of a table may have on a terminal; else the terminal is asked." },
	{ "HOME", "Where the imported registry of an ordinary user is, below .local/share." },
	{ "LD_PRELOAD",
	  "\"berth run --via preload\" adds its library at the end; what is there stays." },
	{ "NO_COLOR", "Where it is set and not empty nothing is coloured." },
	{ "PATH", "Where a program is looked for that is named without a slash." },
	{ "SOURCE_DATE_EPOCH", "The date of the page that \"berth man\" prints, in seconds." },
	{ "XDG_DATA_HOME",
	  "Where the imported registry of an ordinary user is, in place of ~/.local/share." },
	{ "XDG_RUNTIME_DIR",
	  "Where the runs of an ordinary user are registered, in place of /tmp, and where their shared file is made if "
	  "/dev/shm is not to be had." },
	{ NULL, NULL },
};

static const struct berth_verb *find_verb(const char *name)
{
	const struct berth_verb *v;

	for (v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

int berth_complain(const char *verb, const struct berth_why *why, int status)
{
	fprintf(stderr, "berth %s: %s\n", verb, why->text);
	return status;
}

static void overview(FILE *out)
{
	const struct berth_verb *v;

	fputs("usage: berth VERB [OPTION...]\n\n", out);
	for (v = verbs; v->name; v++)
		fprintf(out, "  %-12s %s\n", v->name, v->summary);
	fputs("\n\"berth help VERB\" shows the options of a verb.\n", out);
}

static int help_main(int argc, char **argv)
{
	const struct berth_verb *v = argc > 1 ? find_verb(argv[1]) : NULL;
	struct berth_why why;

	if (argc > 1 && !v) {
		berth_why(&why, 0, "there is no verb \"%s\"; see \"berth help\"", argv[1]);
		return berth_complain("help", &why, BERTH_EXIT_FAILURE);
	}
	if (v)
		berth_opt_help(stdout, v);
	else
		overview(stdout);
	return BERTH_EXIT_OK;
}

static int man_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	berth_opt_man(stdout, verbs, variables);
	return BERTH_EXIT_OK;
}

static int completion_main(int argc, char **argv)
{
	struct berth_why why;

	if (argc == 2 && berth_opt_completion(stdout, verbs, argv[1]))
		return BERTH_EXIT_OK;
	berth_why(&why, 0, "name a shell: bash, zsh or fish");
	return berth_complain("completion", &why, BERTH_EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	const struct berth_verb *v;

	if (argc < 2) {
		overview(stderr);
		return BERTH_EXIT_FAILURE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		argv[1] = "help";
	if (!strcmp(argv[1], "--version")) {
		puts("berth " BERTH_VERSION);
		return BERTH_EXIT_OK;
	}
	v = find_verb(argv[1]);
	if (!v) {
		fprintf(stderr, "berth: there is no verb \"%s\"; see \"berth help\"\n", argv[1]);
		return BERTH_EXIT_FAILURE;
	}
	if (argc > 2 && !strcmp(argv[2], "--help")) {
		berth_opt_help(stdout, v);
		return BERTH_EXIT_OK;
	}
	return v->main(argc - 1, argv + 1);
}
