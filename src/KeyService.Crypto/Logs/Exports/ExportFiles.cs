using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>The files of an export, wherever they are kept. docs/spec/audit-export.md.</summary>
/// <param name="Read">The bytes of a file, by its path within the export with <c>/</c> between names; null when there is none.</param>
/// <param name="List">The paths of all files that are there.</param>
public sealed record ExportFiles(Func<string, byte[]?> Read, Func<IEnumerable<string>> List)
{
    /// <summary>Verifier keys of the logs, oldest first.</summary>
    public const string Keys = "keys";

    /// <summary>Folder of the directory log.</summary>
    public const string Directory = "directory";

    /// <summary>Behind a log's folder: the checkpoint that it reaches.</summary>
    public const string Checkpoint = "checkpoint";

    /// <summary>Behind the directory's folder: the newest checkpoint that witnesses cosigned, when it is another one.</summary>
    public const string Witnessed = "witnessed";

    /// <summary>Behind a slot's folder: where the records begin, when that is not with the first.</summary>
    public const string Start = "start";

    /// <summary>Folder of a slot's log.</summary>
    public static string Slot(long slot) => string.Create(CultureInfo.InvariantCulture, $"slot/{slot}");

    /// <summary>The checkpoint of the directory by which a key was followed by the next one.</summary>
    /// <param name="number">1 for the first succession.</param>
    public static string Succession(int number) => string.Create(CultureInfo.InvariantCulture, $"{Directory}/succession/{number}");
}
