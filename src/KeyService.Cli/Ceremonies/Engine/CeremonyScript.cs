using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Cli.Ceremonies;

/// <summary>What is done in a ceremony of one kind, step by step. Its text is printed beforehand, and its hash stands in the transcript.</summary>
/// <param name="Kind">One of <see cref="KeyService.Crypto.Ceremonies.CeremonyKind"/>.</param>
/// <param name="Title">What it is for.</param>
/// <param name="Steps">In their order, numbered from 1.</param>
internal sealed record CeremonyScript(string Kind, string Title, IReadOnlyList<CeremonyStep> Steps)
{
    /// <summary>First step from which on something stands that nobody may simply walk away from; before it, a ceremony that stops is postponed.</summary>
    public required int PointOfNoReturn { get; init; }

    /// <summary>First and last step between which secrets live in the memory of one process only: a loss of power there voids the ceremony.</summary>
    public (int First, int Last) InMemory { get; init; }

    /// <summary>What has to be destroyed, and what counts no more, when it is void.</summary>
    public required string WhenVoid { get; init; }

    /// <summary>What comes next when it is completed.</summary>
    public required string Afterwards { get; init; }

    /// <summary>SHA-256 of the text, 32 bytes.</summary>
    public byte[] Hash => SHA256.HashData(Encoding.UTF8.GetBytes(ToText()));

    /// <summary>The text that is printed and hashed.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Title}\nCeremony: {Kind}\n");
        foreach (var step in Steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{step.Number}. {step.Title}\n   {step.What}\n   {step.Undo}\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"\nIf it is void: {WhenVoid}\nAfterwards: {Afterwards}\n");
        return text.ToString();
    }
}
