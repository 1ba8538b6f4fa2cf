using System.Text;
using KeyService.Cli.Output;

namespace KeyService.Cli.Ceremonies;

/// <summary>One file of the printed matter.</summary>
/// <param name="Name">Of the file.</param>
/// <param name="Title">What stands above it.</param>
/// <param name="Purpose">What it is for, as a sentence.</param>
/// <param name="Body">Null when the ceremony has nothing of the kind.</param>
internal sealed record PrintedSheet(string Name, string Title, string Purpose, Html? Body)
{
    /// <summary>Why there is none, as a sentence.</summary>
    public string? Absence { get; init; }

    /// <summary>Whether its first page begins with the title; labels and receipts have their own.</summary>
    public bool HasTitle { get; init; } = true;

    /// <summary>The file.</summary>
    public byte[] ToArray(PrintedCeremony ceremony)
    {
        var frame = new PageFrame(Title, ceremony.Mark, $"{ceremony.Kind}, {PrintedCeremony.Day(ceremony.Ended)}", $"Ceremony {ceremony.Id} · last hash {ceremony.LastHash[..16]}");
        return Encoding.UTF8.GetBytes(Html.Of($"{frame.Begin}{(HasTitle ? Html.Of($"<h1>{Title}</h1>\n") : Html.Empty)}{Body!.Value}{PageFrame.End}").Markup);
    }
}
