namespace KeyService.Cli.Audit;

/// <summary>Where the files of an export are written: a folder, or an evidence pack.</summary>
internal interface IExportTarget
{
    /// <summary>Writes a file, once.</summary>
    /// <param name="path">Within the export, with <c>/</c> between names.</param>
    void Write(string path, ReadOnlySpan<byte> bytes);

    /// <summary>What an earlier run that ended early left; null when there is no such file.</summary>
    byte[]? Read(string path);
}
