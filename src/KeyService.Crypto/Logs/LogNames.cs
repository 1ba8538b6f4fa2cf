using System.Buffers;
using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>Origins of an installation's logs: <c>keyservice/ID/directory</c> and <c>keyservice/ID/slot/N</c>, ID being the installation's 32 hexadecimal digits.</summary>
public sealed record LogNames
{
    private const string Start = "keyservice/";
    private const int IdLength = 16;

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");

    private LogNames(string installation) => Installation = installation;

    /// <summary>The installation's name, <c>keyservice/ID</c>.</summary>
    public string Installation { get; }

    /// <summary>Origin of the directory log.</summary>
    public string Directory => Installation + "/directory";

    /// <summary>Origin of a slot's log.</summary>
    /// <param name="slot">0 or more.</param>
    public string Slot(long slot) => string.Create(CultureInfo.InvariantCulture, $"{Installation}/slot/{slot}");

    /// <param name="installationId">16 bytes.</param>
    public static LogNames Of(ReadOnlySpan<byte> installationId)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(installationId.Length, IdLength);
        return new LogNames(Start + Convert.ToHexStringLower(installationId));
    }

    /// <summary>Reads an installation's name.</summary>
    public static bool TryParse(string name, out LogNames? names)
    {
        names = name.StartsWith(Start, StringComparison.Ordinal) && name.Length == Start.Length + 2 * IdLength
            && name.AsSpan(Start.Length).IndexOfAnyExcept(Digits) < 0
            ? new LogNames(name) : null;
        return names is not null;
    }
}
