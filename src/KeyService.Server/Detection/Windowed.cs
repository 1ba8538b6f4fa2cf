using System.Text.Json.Serialization;

namespace KeyService.Server.Detection;

/// <summary>
/// What a rule remembers of each subject, of the latest subjects only: somebody who calls under ever new names must not fill the memory.
/// </summary>
internal sealed class Windowed<T>
    where T : class
{
    /// <summary>Subjects at most; the one that was seen the longest time ago makes room.</summary>
    public const int MaxSubjects = 1000;

    [JsonInclude]
    public Dictionary<string, Remembered> Subjects { get; private set; } = new(StringComparer.Ordinal);

    public T? Find(string subject) => Subjects.GetValueOrDefault(subject)?.Value;

    public void Set(string subject, long time, T value)
    {
        Subjects[subject] = new Remembered(time, value);
        if (Subjects.Count > MaxSubjects)
        {
            Subjects.Remove(Subjects.MinBy(each => (each.Value.Time, each.Key)).Key);
        }
    }

    public void Remove(string subject) => Subjects.Remove(subject);

    /// <param name="Time">When it was last seen, Unix nanoseconds.</param>
    internal sealed record Remembered(long Time, T Value);
}
