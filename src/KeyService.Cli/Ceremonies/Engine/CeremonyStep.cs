namespace KeyService.Cli.Ceremonies;

/// <summary>One step of a script.</summary>
/// <param name="Number">Its number, 1 and more.</param>
/// <param name="Title">What it does, in a few words.</param>
/// <param name="What">What will happen, read aloud.</param>
/// <param name="Undo">Whether it can be undone.</param>
/// <param name="Act">Does it.</param>
internal sealed record CeremonyStep(int Number, string Title, string What, string Undo, Func<CeremonyRun, CancellationToken, Task> Act)
{
    /// <summary>It enters its own steps, 5/1, 5/2 and so on, and is not entered itself.</summary>
    public bool HasParts { get; init; }

    /// <summary>It needs the backup key, for which custodians are asked again where another process had it.</summary>
    public bool NeedsBackupKey { get; init; }

    /// <summary>How it is named in the transcript.</summary>
    public string Name => Number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
