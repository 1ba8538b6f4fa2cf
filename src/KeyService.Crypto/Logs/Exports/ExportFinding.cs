namespace KeyService.Crypto.Logs;

/// <summary>One thing that is wrong with an export.</summary>
/// <param name="Fault">What kind of thing.</param>
/// <param name="Place">The file, or the folder of the log.</param>
/// <param name="Sequence">The record or entry where it begins; null when it is about a whole file.</param>
/// <param name="Text">A sentence for people, without a full stop.</param>
public sealed record ExportFinding(ExportFault Fault, string Place, long? Sequence, string Text);
