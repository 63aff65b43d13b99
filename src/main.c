/* main.c - the program `lakehouse`: nothing but the way into its commands. */

int main(void)
{
    return 0;
}
