/* main.c - the program `lakehouse`: nothing but the way into its commands. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return lh_cli_main(argc, argv);
}
