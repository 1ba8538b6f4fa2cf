namespace KeyService.Cli.Ceremonies;

/// <summary>An entry may not be on the disk. The ceremony goes no further in this process: what is not on record must not be done.</summary>
internal sealed class JournalLostException(string path, IOException cause)
    : IOException($"The transcript {path} cannot be written: {cause.Message} Make room or mend the disk, then go on with keyservice ceremony resume.", cause);
