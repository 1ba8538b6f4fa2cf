using System.CommandLine;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Adopt;

/// <summary><c>keyservice adopt …</c></summary>
internal static class AdoptCommands
{
    public static Command Create() => new Command("adopt", "Turn columns of a PostgreSQL table into encrypted ones, in place")
    {
        AdoptStart.Create(), AdoptVerify.Create(), AdoptSwitch.Create(), AdoptCommit.Create(), AdoptUndo.Create(), AdoptStatus.Create(),
    }.WithNotes("""
        In this order, while the application goes on working:
          start    makes tokens beside the values; stop and start it as you like
          verify   opens every token and compares it with its value
          switch   the tokens take the columns' names; deploy the application that reads them
          commit   removes the old values for good

        Until commit, undo takes everything back, with what the application wrote after the switch.
        """);
}
