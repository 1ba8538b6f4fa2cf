namespace KeyService.Server.Pipeline;

/// <summary>What somebody else wrote, for record and log: one line of printable ASCII, not too long; whatever else stands there is "?".</summary>
internal static class OneLine
{
    public static string Of(string written, int maxLength)
    {
        var shown = written.Length <= maxLength ? written : written[..maxLength];
        return string.Create(shown.Length, shown, static (line, text) =>
        {
            for (var i = 0; i < line.Length; i++)
                line[i] = text[i] is >= ' ' and <= '~' ? text[i] : '?';
        });
    }
}
