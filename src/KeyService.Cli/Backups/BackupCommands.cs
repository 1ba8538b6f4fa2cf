using System.CommandLine;

namespace KeyService.Cli.Backups;

/// <summary><c>keyservice backup …</c></summary>
internal static class BackupCommands
{
    public static Command Create() => new("backup", "Make, list and verify backup bundles of the service's keys") { BundleVerifyCommand.Create() };
}
